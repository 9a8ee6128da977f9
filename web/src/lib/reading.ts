// Everything that loads messages. An answer belongs to the room and the window it was asked for: one that comes late lands in its own
// room, and not at all if that window is gone.
import type { Connection } from './connection.svelte';
import type { Outbox } from './outbox.svelte';
import { mayRetry, type Answer, type MemberPage, type Opened, type Page } from './protocol';
import type { Rooms, RoomState } from './rooms.svelte';
import type { GapRow } from './rows';

const PAGE = 50;
/** Rooms in the background are opened with less, a few at a time. */
const BACKGROUND_PAGE = 30;
const AT_ONCE = 3;

export class Reading {
  readonly #connection: Connection;
  readonly #rooms: Rooms;
  readonly #outbox: Outbox;
  readonly #me: () => string;
  #queue: RoomState[] = [];
  #running = 0;

  constructor(connection: Connection, rooms: Rooms, outbox: Outbox, me: () => string) {
    this.#connection = connection;
    this.#rooms = rooms;
    this.#outbox = outbox;
    this.#me = me;
  }

  /** openAll opens rooms one after the other, so that hundreds of them do not ask at once. */
  openAll(rooms: RoomState[]): void {
    const waiting = new Set(this.#queue);
    this.#queue.push(...rooms.filter((room) => !waiting.has(room) && !room.opening));
    while (this.#running < AT_ONCE && this.#queue.length > 0) void this.#work();
  }

  async #work(): Promise<void> {
    this.#running++;
    for (let room = this.#queue.shift(); room; room = this.#queue.shift()) {
      if (!room.timeline.isOpen && room.membership === 'joined') await this.open(room, BACKGROUND_PAGE);
    }
    this.#running--;
  }

  /** open subscribes to a room one is a member of and takes its newest page. */
  async open(room: RoomState, limit = PAGE): Promise<void> {
    if (room.opening) return;
    room.opening = true;
    room.error = undefined;
    const answer = await this.#connection.request<Opened>('room:open', { roomId: room.id, limit });
    room.opening = false;
    if (this.#rooms.known(room.id) !== room) return;
    if (answer.ok) this.opened(room, answer.data);
    else if (answer.error.code === 'not_found' || answer.error.code === 'forbidden') {
      room.membership = 'none';
      room.error = answer.error;
    } else if (answer.error.code !== 'offline') {
      room.error = answer.error;
      if (mayRetry(answer.error.code)) setTimeout(() => this.openAll([room]), Math.max(answer.error.retryAfterMs ?? 0, 3000));
    }
  }

  /** opened takes the answer of an open or a join. */
  opened(room: RoomState, data: Opened): void {
    room.info = data.room;
    room.membership = 'joined';
    room.error = undefined;
    room.timeline.opened(data);
    if (data.members && !room.people.loaded) room.people.first({ members: data.members });
    room.lastAt = Math.max(room.lastAt, data.messages[data.messages.length - 1]?.at ?? data.room.createdAt);
    this.#rooms.counted(room, this.#me());
    this.#confirm(room, data.messages);
    this.#outbox.passed(room.id, data.asOf);
  }

  async older(room: RoomState): Promise<void> {
    const { timeline } = room;
    if (room.loadingOlder || !timeline.hasOlder || !timeline.loaded) return;
    room.loadingOlder = true;
    const answer = await this.#page(room, { before: timeline.oldest });
    room.loadingOlder = false;
    if (this.#take(room, answer)) timeline.older(answer.data);
  }

  async newer(room: RoomState): Promise<void> {
    const { timeline } = room;
    if (room.loadingNewer || timeline.attached || !timeline.loaded) return;
    room.loadingNewer = true;
    const answer = await this.#page(room, { after: timeline.newest });
    room.loadingNewer = false;
    if (this.#take(room, answer)) timeline.newer(answer.data);
  }

  /** latest leaves a detached window for the end of the room. */
  async latest(room: RoomState): Promise<void> {
    if (room.timeline.attached || room.jumping) return;
    room.jumping = true;
    const answer = await this.#page(room, {});
    room.jumping = false;
    if (this.#take(room, answer)) room.timeline.landed(answer.data, true);
  }

  /** around shows a place in the middle, with the message of that seq in view; mark 0 leaves it without a highlight. */
  async around(room: RoomState, seq: number, mark = seq): Promise<void> {
    if (room.timeline.rows.some((row) => row.seq === seq)) {
      room.target = mark;
      return;
    }
    room.jumping = true;
    const answer = await this.#page(room, { around: seq });
    room.jumping = false;
    if (!this.#take(room, answer)) return;
    room.target = mark;
    room.timeline.landed(answer.data, false);
  }

  /** fill asks for what a gap stands for. It gives the reason when that can not be had. */
  async fill(room: RoomState, gap: GapRow): Promise<string | undefined> {
    const answer = await this.#page(room, { after: gap.from });
    if (!answer) return undefined;
    if (!answer.ok) return answer.error.code;
    room.timeline.filled(gap, answer.data);
    this.#confirm(room, answer.data.messages);
    return undefined;
  }

  /** members takes the first page of a room's people, moreMembers the next. */
  async members(room: RoomState): Promise<void> {
    const answer = await this.#connection.request<MemberPage>('room:members', { roomId: room.id, limit: 100 });
    if (answer.ok) room.people.first(answer.data);
  }

  async moreMembers(room: RoomState): Promise<void> {
    const cursor = room.people.cursor;
    if (!cursor) return;
    room.people.cursor = undefined;
    const answer = await this.#connection.request<MemberPage>('room:members', { roomId: room.id, limit: 100, cursor });
    if (answer.ok) room.people.more(answer.data);
    else room.people.cursor = cursor;
  }

  /** #page asks for a page; undefined when the window it was asked for is no more. */
  async #page(room: RoomState, where: object): Promise<Answer<Page> | undefined> {
    room.pageError = undefined;
    const epoch = room.timeline.epoch;
    const answer = await this.#connection.request<Page>('message:list', { roomId: room.id, limit: PAGE, ...where });
    return room.timeline.epoch === epoch && this.#rooms.known(room.id) === room ? answer : undefined;
  }

  #take(room: RoomState, answer: Answer<Page> | undefined): answer is { ok: true; data: Page } {
    if (!answer) return false;
    if (!answer.ok) {
      room.pageError = answer.error;
      return false;
    }
    this.#confirm(room, answer.data.messages);
    return true;
  }

  #confirm(room: RoomState, messages: Page['messages']): void {
    const me = this.#me();
    for (const message of messages) if (message.user.id === me) this.#outbox.seen({ ...message, roomId: room.id });
  }
}
