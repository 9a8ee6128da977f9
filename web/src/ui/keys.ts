// Keys that work wherever one is on the page.
import type { App } from '../lib/app.svelte';
import type { Ui } from '../lib/ui.svelte';

const regions = ['nav.rooms input', '[data-list]', 'textarea.composer', 'aside.people [tabindex="0"], aside.people input, aside.people button'];

/** pressed takes a key press that nothing on the page has used. */
export function pressed(event: KeyboardEvent, app: App, ui: Ui): void {
  if (event.defaultPrevented || event.isComposing || !app.me) return;
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === 'k') use(event, () => (ui.dialog = ui.dialog === 'switcher' ? undefined : 'switcher'));
  else if ((command && event.key === '/') || (event.key === '?' && !inText(event.target))) use(event, () => (ui.dialog = 'help'));
  else if (ui.dialog) return;
  else if (event.key === 'F6') use(event, () => nextRegion(event.shiftKey));
  else if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) use(event, () => step(app, event.key === 'ArrowUp' ? -1 : 1, event.shiftKey));
  else if (event.key === 'Escape' && app.route.place.people && app.route.place.room) app.route.go({ room: app.route.place.room });
}

function use(event: KeyboardEvent, what: () => void): void {
  event.preventDefault();
  what();
}

function inText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches('input, textarea') || target.isContentEditable);
}

/** step goes to the room above or below in the list, or to the next one with something unread. */
function step(app: App, by: number, unreadOnly: boolean): void {
  const rooms = app.rooms.mine();
  const at = rooms.findIndex((room) => room === app.current);
  for (let i = 1; i <= rooms.length; i++) {
    const room = rooms[(((at < 0 && by < 0 ? 0 : at) + by * i) % rooms.length + rooms.length) % rooms.length]!;
    if (unreadOnly && room.unread === 0) continue;
    if (room !== app.current) app.route.go({ room: room.id });
    return;
  }
}

function nextRegion(back: boolean): void {
  const reachable = regions
    .map((selector) => [...document.querySelectorAll<HTMLElement>(selector)].find((one) => one.offsetParent !== null))
    .filter((one): one is HTMLElement => one !== undefined);
  if (reachable.length === 0) return;
  const active = document.activeElement;
  const at = reachable.findIndex((one) => one === active || one.closest('nav, aside, [data-region]')?.contains(active));
  const next = reachable[(at + (back ? -1 : 1) + reachable.length) % reachable.length]!;
  (next.matches('[data-list]') ? (next.querySelector<HTMLElement>('[data-message][tabindex="0"]') ?? next) : next).focus();
}
