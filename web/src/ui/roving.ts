// The message list is one stop of the Tab key. Inside: arrows go from message to message, Enter goes to what can be done with one,
// Esc back to the message, and from there to where one writes.

/** move takes a key press inside the list. */
export function move(event: KeyboardEvent, list: HTMLElement): void {
  if (event.altKey || event.ctrlKey || event.metaKey || !(event.target instanceof HTMLElement)) return;
  const message = event.target.closest<HTMLElement>('[data-message]');
  if (!message) return;
  const inside = event.target !== message;
  const to = inside ? within(event.key, message, event.target) : among(event.key, message, list);
  if (!to) return;
  event.preventDefault();
  to.focus({ preventScroll: false });
}

function among(key: string, message: HTMLElement, list: HTMLElement): HTMLElement | undefined {
  const all = [...list.querySelectorAll<HTMLElement>('[data-message]')];
  const at = all.indexOf(message);
  switch (key) {
    case 'ArrowUp': return all[at - 1];
    case 'ArrowDown': return all[at + 1];
    case 'Home': return all[0];
    case 'Enter': return message.querySelector<HTMLElement>('button, a') ?? undefined;
    case 'Escape': return document.querySelector<HTMLElement>('textarea.composer') ?? undefined;
    default: return undefined;
  }
}

function within(key: string, message: HTMLElement, from: HTMLElement): HTMLElement | undefined {
  if (key === 'Escape') return message;
  if (key !== 'ArrowRight' && key !== 'ArrowLeft') return undefined;
  const all = [...message.querySelectorAll<HTMLElement>('button, a')];
  return all[all.indexOf(from) + (key === 'ArrowRight' ? 1 : -1)];
}
