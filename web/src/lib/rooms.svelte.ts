// The rooms this page knows, and of each: whether one is a member, its timeline, its people, what is unread.
import { SvelteMap } from 'svelte/reactivity';
import { People } from './people.svelte';
import type { Membership, Refusal, Room } from './protocol';
import type { Keep } from './storage';
import { Timeline } from './timeline.svelte';

export class RoomState {
  readonly id: string;
  info = $state.raw<Room | undefined>(undefined);
  membership = $state<Membership>('none');
  /** Messages of others after the read mark. */
  unread = $state(0);
  /** The unread messages are more than were counted. */
  unreadMore = $state(false);
  /** Where the line "New" stands while the room is open: after this seq. 0: nowhere. */
  divider = $state(0);
  /** When something was last said, ms since 1970. */
  lastAt = $state(0);
  /** What is being loaded, and what went wrong, each for this room alone. */
  opening = $state(false);
  loadingOlder = $state(false);
  loadingNewer = $state(false);
  jumping = $state(false);
  error = $state.raw<Refusal | undefined>(undefined);
  pageError = $state.raw<Refusal | undefined>(undefined);
  /** How often something was sent here since the page was opened: the list then shows the end. */
  sends = $state(0);
  /** A message to bring into view: its seq, until the view has done it. */
  target = $state(0);

  readonly timeline = new Timeline();
  readonly people = new People();
  /** The seq up to which this person has read. */
  read = 0;

  constructor(id: string) {
    this.id = id;
  }

  get name(): string {
    return this.info?.name ?? '';
  }
}

export class Rooms {
  readonly #all = new SvelteMap<string, RoomState>();
  readonly #keep: Keep;
  /** The rooms that the last connect presented in `since`. */
  #presented = new Set<string>();

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  /** of gives the room's state, made when it is first asked for. */
  of(id: string): RoomState {
    let room = this.#all.get(id);
    if (!room) {
      room = new RoomState(id);
      room.read = Number(this.#keep.get(`read/${id}`)) || 0;
      this.#all.set(id, room);
    }
    return room;
  }

  known(id: string): RoomState | undefined {
    return this.#all.get(id);
  }

  all(): RoomState[] {
    return [...this.#all.values()];
  }

  /** mine are the rooms of this person, the liveliest first; invited ones on top. */
  mine(): RoomState[] {
    return this.all()
      .filter((room) => room.membership !== 'none')
      .sort((a, b) => Number(b.membership === 'invited') - Number(a.membership === 'invited') || b.lastAt - a.lastAt || a.name.localeCompare(b.name));
  }

  /** positions is what `since` presents: at most 500 rooms, each with the seq last received in it. */
  positions(): Record<string, number> {
    const since: Record<string, number> = {};
    let count = 0;
    for (const room of this.all()) {
      if (room.membership === 'joined' && room.timeline.position > 0 && count++ < 500) since[room.id] = room.timeline.position;
    }
    this.#presented = new Set(Object.keys(since));
    return since;
  }

  /** notPresented are the rooms that were open and that the last connect did not resume: nothing comes of them until they are opened. */
  notPresented(): RoomState[] {
    return this.all().filter((room) => room.membership === 'joined' && room.timeline.position > 0 && !this.#presented.has(room.id));
  }

  unreadTotal(): number {
    let total = 0;
    for (const room of this.#all.values()) if (room.membership === 'joined') total += room.unread;
    return total;
  }

  /** markRead moves the read mark; it never goes back. */
  markRead(room: RoomState, seq: number): void {
    room.unread = 0;
    room.unreadMore = false;
    if (seq <= room.read) return;
    room.read = seq;
    this.#keep.set(`read/${room.id}`, String(seq));
  }

  /** counted finds the unread messages of a room that was just opened. */
  counted(room: RoomState, me: string): void {
    if (room.read === 0) {
      // Never read on this browser: history from before the first visit is not news.
      this.markRead(room, room.timeline.position);
      return;
    }
    const messages = room.timeline.rows.filter((row) => row.kind === 'message');
    room.unread = messages.filter((row) => row.seq > room.read && row.message.user.id !== me).length;
    room.unreadMore = room.timeline.hasOlder && messages.length > 0 && messages[0]!.seq > room.read;
    if (room.unread > 0 && room.divider === 0) room.divider = room.read;
  }

  /** gone forgets a room that was left: nothing of it stays on the page. */
  gone(id: string): void {
    const room = this.#all.get(id);
    if (!room) return;
    this.#keep.remove(`read/${id}`);
    this.#keep.remove(`draft/${id}`);
    this.#all.delete(id);
  }

  clear(): void {
    this.#all.clear();
  }
}
