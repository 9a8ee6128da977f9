// What the server says by itself, applied to the rooms. Events with a seq advance the room's position; the timeline drops second copies.
import type { Connection } from './connection.svelte';
import type { App } from './app.svelte';
import type { Gap, InviteEvent, MemberEvent, Message, Presence, Status, Typing, UpdateEvent } from './protocol';
import type { RoomState } from './rooms.svelte';
import { invitedRow, joinedRow, leftRow, messageRow, updatedRow, type NoteRow } from './rows';

/** hear puts a handler to every event of docs/protocol.md except session. */
export function hear(connection: Connection, app: App): void {
  const inRoom = <T extends { roomId: string }>(event: string, handler: (room: RoomState, data: T) => void): void =>
    connection.on<T>(event, (data) => {
      const room = app.rooms.known(data.roomId);
      if (room && (room.membership === 'joined' || event === 'room:joined')) handler(room, data);
    });

  inRoom<Message>('message:new', (room, message) => said(app, room, message));
  inRoom<Message>('message:deleted', (room, message) => void room.timeline.live(messageRow({ ...message, deleted: true })));
  inRoom<Gap>('gap', (room, gap) => missed(app, room, gap));
  inRoom<MemberEvent>('room:joined', (room, event) => joined(app, room, event));
  inRoom<MemberEvent>('room:left', (room, event) => left(app, room, event));
  inRoom<UpdateEvent>('room:updated', (room, event) => {
    const { name, topic } = event;
    if (room.info) room.info = { ...room.info, ...(name === undefined ? {} : { name }), ...(topic === undefined ? {} : { topic }) };
    noted(room, updatedRow(event));
  });
  inRoom<Presence>('presence', (room, event) => room.people.presence(event));
  inRoom<Typing>('typing', (room, event) => {
    if (event.user.id !== app.me?.id) room.people.types(event.user, event.isTyping);
  });
  connection.on<InviteEvent>('room:invited', (event) => invited(app, event));
  connection.on<Status>('status', (status) => (app.status = status));
}

function said(app: App, room: RoomState, message: Message): void {
  const mine = message.user.id === app.me?.id;
  const fresh = room.timeline.live(messageRow(message));
  if (mine) app.outbox.seen(message);
  app.outbox.passed(room.id, room.timeline.position);
  if (!fresh) return;
  room.lastAt = Math.max(room.lastAt, message.at);
  if (!mine) room.people.types(message.user, false);
  if (mine || app.isReading(room)) app.rooms.markRead(room, message.seq);
  else room.unread++;
  if (!mine && room === app.current) app.announce(`${message.user.name}: ${message.text ?? ''}`);
}

function missed(app: App, room: RoomState, gap: Gap): void {
  if (gap.to === 0) {
    room.timeline.forget();
    void app.reading.open(room);
    return;
  }
  if (room.timeline.position === 0) return;
  room.timeline.missed(gap.from, gap.to, gap.reason);
  app.outbox.passed(room.id, gap.to);
  if (!app.isReading(room)) room.unreadMore = true;
}

function joined(app: App, room: RoomState, event: MemberEvent): void {
  if (event.user.id === app.me?.id) {
    if (event.room && !room.info) room.info = { id: room.id, name: '', private: false, owner: event.user.id, createdAt: event.at, members: 1, ...event.room };
    room.membership = 'joined';
    if (!room.timeline.isOpen) app.reading.openAll([room]);
  }
  const isNew = room.people.added(event.user);
  if (isNew && room.info && !event.room) room.info = { ...room.info, members: room.info.members + 1 };
  // A member's own second join changes nothing and needs no line.
  if (isNew || event.room) noted(room, joinedRow(event));
  else room.timeline.position = Math.max(room.timeline.position, event.seq);
}

function left(app: App, room: RoomState, event: MemberEvent): void {
  if (event.user.id === app.me?.id) {
    app.goneFrom(room);
    return;
  }
  room.people.removed(event.user.id);
  if (room.info) room.info = { ...room.info, members: Math.max(0, room.info.members - 1) };
  noted(room, leftRow(event));
}

function invited(app: App, event: InviteEvent): void {
  if (event.room) {
    const room = app.rooms.of(event.room.id);
    if (room.membership === 'joined') return;
    room.info = event.room;
    room.membership = 'invited';
    room.lastAt = event.at;
    app.announce(`${event.user.name} invites you to ${event.room.name}`);
    return;
  }
  const room = event.roomId ? app.rooms.known(event.roomId) : undefined;
  if (room && event.seq !== undefined && event.id !== undefined) noted(room, invitedRow({ ...event, seq: event.seq, id: event.id }));
}

function noted(room: RoomState, row: NoteRow): void {
  room.timeline.live(row);
}
