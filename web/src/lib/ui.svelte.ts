// What is open on the page and how it is set: dialogs, colours, the Enter key. And helpers that need the browser.
import type { Keep } from './storage';

export type DialogName = 'create' | 'invite' | 'details' | 'profile' | 'switcher' | 'help';
export type Theme = 'system' | 'light' | 'dark';

export class Ui {
  dialog = $state<DialogName | undefined>(undefined);
  theme = $state<Theme>('system');
  /** Enter sends; otherwise Ctrl+Enter does, and Enter makes a new line. */
  enterSends = $state(true);
  readonly #keep: Keep;

  constructor(keep: Keep) {
    this.#keep = keep;
    const theme = keep.get('theme');
    this.theme = theme === 'light' || theme === 'dark' ? theme : 'system';
    this.enterSends = keep.get('enter') !== 'newline';
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.#keep.set('theme', theme);
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }

  setEnterSends(sends: boolean): void {
    this.enterSends = sends;
    this.#keep.set('enter', sends ? 'send' : 'newline');
  }
}

/** copyText puts text on the clipboard, also where the browser hides navigator.clipboard (plain http from a name). */
export async function copyText(text: string): Promise<boolean> {
  try {
    if (window.isSecureContext && navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // The other way may still work.
  }
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement : undefined;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'offscreen';
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  focused?.focus();
  return copied;
}

/** hue puts an id's colour on an element, through the CSSOM: the content security policy forbids style attributes. */
export function hue(degrees: number): (element: HTMLElement) => void {
  return (element) => element.style.setProperty('--hue', String(degrees));
}

/** bytes is how long a text is on the wire. */
export function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
