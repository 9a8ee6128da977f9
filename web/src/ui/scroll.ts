// Holding still: whatever is added above, below or around, the lines under the reader's eyes stay where they are.

/** END_PX is how near the end counts as being there. */
export const END_PX = 32;

export interface Anchor { key: string; top: number }

/** anchors gives the items on the screen and where they stand, the topmost first. */
export function anchors(list: HTMLElement): Anchor[] {
  const box = list.getBoundingClientRect();
  const out: Anchor[] = [];
  for (const child of list.querySelectorAll<HTMLElement>('[data-key]')) {
    const rect = child.getBoundingClientRect();
    if (rect.bottom <= box.top) continue;
    if (rect.top >= box.bottom || out.length >= 40) break;
    // Day lines move when a page comes above them: what people read are messages.
    if (child.hasAttribute('data-message')) out.push({ key: child.dataset.key!, top: rect.top - box.top });
  }
  return out;
}

/** hold scrolls so that the first anchor that is still there stands where it stood. */
export function hold(list: HTMLElement, before: readonly Anchor[]): void {
  const box = list.getBoundingClientRect();
  for (const anchor of before) {
    const child = find(list, anchor.key);
    if (!child) continue;
    const moved = child.getBoundingClientRect().top - box.top - anchor.top;
    if (Math.abs(moved) >= 1) list.scrollTop += moved;
    return;
  }
}

export function find(list: HTMLElement, key: string): HTMLElement | undefined {
  for (const child of list.querySelectorAll<HTMLElement>('[data-key]')) if (child.dataset.key === key) return child;
  return undefined;
}

export function toEnd(list: HTMLElement): void {
  list.scrollTop = list.scrollHeight;
}

export function fromEnd(list: HTMLElement): number {
  return list.scrollHeight - list.scrollTop - list.clientHeight;
}
