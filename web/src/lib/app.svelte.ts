// The page's state in one place: who one is, the connection, the rooms, and how they act on one another.
import { agree } from './clock';
import { Connection } from './connection.svelte';
import { Doing } from './doing';
import { hear } from './events';
import { Outbox, type Sent } from './outbox.svelte';
import { isUser, type ListedRoom, type Session, type Status, type User } from './protocol';
import { Reading } from './reading';
import { Rooms, type RoomState } from './rooms.svelte';
import { Route, type Place } from './route.svelte';
import { readJSON, type Keep } from './storage';

/** The id of the public room that every Hubbub has from its first start. */
export const LOBBY = 'lobby';
const MAX_ROOMS = 2000;

export class App {
  me = $state.raw<User | undefined>(undefined);
  status = $state.raw<Status>({ log: 'ok', bus: 'ok', store: 'ok' });
  /** A short word on what was just done, for a few seconds. */
  notice = $state('');
  /** New messages for those who listen to the page. */
  spoken = $state.raw<{ key: number; text: string }[]>([]);
  /** The session is here, so that what is missing is missing and not only under way. */
  ready = $state(false);
  visible = $state(true);

  readonly connection: Connection;
  readonly rooms: Rooms;
  readonly outbox: Outbox;
  readonly reading: Reading;
  readonly doing: Doing;
  readonly route: Route;
  readonly keep: Keep;

  current = $derived.by(() => (this.route.place.room ? this.rooms.known(this.route.place.room) : undefined));

  #log = '';
  #name = '';
  #newcomer = false;
  readonly #listed = new Map<string, ListedRoom>();
  #entered: RoomState | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;
  #spokenCount = 0;

  constructor(keep: Keep) {
    this.keep = keep;
    this.rooms = new Rooms(keep);
    this.connection = new Connection(() => this.#auth());
    this.outbox = new Outbox((entry) => {
      const { roomId, clientId, text, replyTo } = entry;
      return this.connection.request<Sent>('message:send', { roomId, clientId, text, ...(replyTo ? { replyTo } : {}) });
    }, keep);
    this.reading = new Reading(this.connection, this.rooms, this.outbox, () => this.me?.id ?? '');
    this.doing = new Doing(this);
    this.route = new Route((place) => this.#arrived(place));
    this.me = readJSON(keep, 'me', isUser);
    this.connection.on<Session>('session', (session) => this.#session(session));
    this.connection.on('disconnect', () => this.outbox.disconnected());
    hear(this.connection, this);
    document.addEventListener('visibilitychange', () => this.#seen());
    this.#seen();
  }

  /** start connects with what is kept of the last visit; false on a first one. */
  start(): boolean {
    if (!this.keep.get('token')) return false;
    this.connection.open();
    return true;
  }

  /** introduce connects as a new guest of this name. */
  introduce(name: string): void {
    this.#name = name;
    this.#newcomer = true;
    this.keep.remove('token');
    this.keep.set('name', name);
    this.connection.open();
  }

  /** startOver forgets who one was on this browser. */
  startOver(): void {
    this.connection.close();
    for (const key of ['token', 'me', 'lastRoom', ...this.keep.keys('read/'), ...this.keep.keys('draft/'), ...this.keep.keys('out/')]) this.keep.remove(key);
    location.replace(location.pathname);
  }

  /** isReading tells whether new messages of a room come before the reader's eyes. */
  isReading(room: RoomState): boolean {
    return room === this.current && this.visible && room.timeline.attached && room.timeline.atEnd();
  }

  /** reachedEnd is told by the view when the end of the current room is on the screen. */
  reachedEnd(room: RoomState): void {
    room.timeline.reachedEnd();
    if (!this.isReading(room) || !room.timeline.loaded) return;
    this.rooms.markRead(room, room.timeline.position);
  }

  /** leftPlace is told when the reader goes on from the message that the address names: a reload then opens the room as usual. */
  leftPlace(room: RoomState): void {
    if (room === this.current && this.route.place.seq) this.route.replace({ room: room.id });
  }

  send(room: RoomState, text: string): boolean {
    if (!this.me || !this.outbox.add(room.id, this.me.id, text)) return false;
    room.sends++; // the list goes to the end
    return true;
  }

  /** heardOf remembers how listed rooms are called, so that one can be shown before it is joined. */
  heardOf(rooms: ListedRoom[]): void {
    for (const room of rooms) {
      if (this.#listed.size < MAX_ROOMS) this.#listed.set(room.id, room);
      const known = this.rooms.known(room.id);
      if (known && !known.info) known.info = room;
    }
  }

  say(notice: string): void {
    clearTimeout(this.#noticeTimer);
    this.notice = notice;
    this.#noticeTimer = setTimeout(() => (this.notice = ''), 4000);
  }

  announce(text: string): void {
    this.spoken = [...this.spoken.slice(-4), { key: this.#spokenCount++, text: text.slice(0, 300) }];
  }

  /** goneFrom takes a room that one left, or was taken out of, off the page. */
  goneFrom(room: RoomState): void {
    const wasCurrent = room === this.current;
    room.membership = 'none';
    this.rooms.gone(room.id);
    if (!wasCurrent) return;
    this.say(`You left ${room.name}`);
    this.route.replace({});
    this.#arrived({});
  }

  #auth(): object {
    const token = this.keep.get('token');
    const since = this.rooms.positions();
    const resume = this.#log && Object.keys(since).length > 0 ? { since, log: this.#log } : {};
    return token ? { token, ...resume } : { name: this.#name, ...resume };
  }

  #session(session: Session): void {
    agree(session.serverTime);
    if (session.token) this.keep.set('token', session.token);
    this.me = session.user;
    this.keep.set('me', JSON.stringify(session.user));
    this.status = session.status ?? this.status;
    if (this.#log && this.#log !== session.log) for (const room of this.rooms.all()) room.timeline.forget();
    this.#log = session.log;
    for (const room of this.rooms.notPresented()) room.timeline.forget();
    if (!session.roomsUnknown) this.#memberships(session.rooms ?? []);
    this.connection.reached();
    this.outbox.restore(session.user.id);
    this.outbox.connected();
    const first = !this.ready;
    this.ready = true;
    if (first) this.#settle();
    else if (this.current?.membership === 'joined') void this.reading.members(this.current);
    this.#openRest();
    if ((session.rooms?.length ?? 0) >= 500) void this.#moreRooms();
  }

  #memberships(list: NonNullable<Session['rooms']>): void {
    const here = new Set(list.map((item) => item.room.id));
    if (list.length < 500) for (const room of this.rooms.all()) if (room.membership !== 'none' && !here.has(room.id)) this.goneFrom(room);
    for (const { room, state } of list) this.#mine(room, state);
  }

  #mine(info: ListedRoom, state: string): void {
    const room = this.rooms.of(info.id);
    room.info = info;
    room.membership = state === 'invited' ? 'invited' : 'joined';
    room.lastAt ||= info.createdAt;
  }

  async #moreRooms(): Promise<void> {
    let cursor: string | undefined;
    do {
      const payload = { mine: true, limit: 100, ...(cursor ? { cursor } : {}) };
      const answer = await this.connection.request<{ rooms: ListedRoom[]; cursor?: string }>('room:list', payload);
      if (!answer.ok) return;
      for (const room of answer.data.rooms) this.#mine(room, room.state ?? 'joined');
      cursor = answer.data.cursor;
    } while (cursor && this.rooms.all().length < MAX_ROOMS);
    this.#openRest();
  }

  #openRest(): void {
    const closed = this.rooms.mine().filter((room) => room.membership === 'joined' && !room.timeline.isOpen);
    closed.sort((a, b) => Number(b === this.current) - Number(a === this.current));
    this.reading.openAll(closed);
  }

  /** After the first session: a newcomer joins the lobby, everyone goes where the address or the last visit says. */
  #settle(): void {
    const wanted = this.route.place.room;
    const last = this.keep.get('lastRoom');
    if (this.#newcomer) {
      const lobby = this.rooms.of(LOBBY);
      if (lobby.membership !== 'joined') void this.doing.join(lobby);
    }
    if (!wanted && !(window.matchMedia('(max-width: 719px)').matches && !this.#newcomer)) {
      const known = last && this.rooms.known(last)?.membership === 'joined' ? last : undefined;
      const room = known ?? (this.rooms.known(LOBBY) ? LOBBY : this.rooms.mine()[0]?.id);
      if (room) this.route.replace({ room });
    }
    this.#arrived(this.route.place);
  }

  /** Follows the address: leaves the room before, enters the one that is named. */
  #arrived(place: Place): void {
    const room = place.room ? this.rooms.of(place.room) : undefined;
    const before = this.#entered;
    if (before && before !== room) before.divider = 0;
    this.#entered = room;
    if (!room) return;
    room.info ??= this.#listed.get(room.id);
    if (room !== before) this.#enter(room, place.seq);
    else if (place.seq) void this.reading.around(room, place.seq);
  }

  #enter(room: RoomState, seq: number | undefined): void {
    room.timeline.atEnd = () => false; // until its list is on the screen
    room.divider = room.unread > 0 || room.unreadMore ? room.read : 0;
    if (room.membership === 'joined') this.keep.set('lastRoom', room.id);
    if (!this.ready || room.membership !== 'joined') return;
    if (!room.timeline.isOpen) void this.reading.open(room).then(() => this.#land(room, seq));
    else this.#land(room, seq);
  }

  /** A room opens at the message that was asked for, else at the first unread one, else at its end. */
  #land(room: RoomState, seq: number | undefined): void {
    if (room !== this.current || !room.timeline.loaded) return;
    if (seq) void this.reading.around(room, seq);
    else if (room.unreadMore && room.read > 0) void this.reading.around(room, room.read, 0);
    else if (!room.timeline.attached) void this.reading.latest(room);
  }

  #seen(): void {
    this.visible = document.visibilityState === 'visible';
    if (this.visible && this.current) this.reachedEnd(this.current);
  }
}
