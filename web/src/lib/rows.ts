// What a timeline is made of: messages, short notes about members, and gaps.
import type { InviteEvent, MemberEvent, Message, UpdateEvent } from './protocol';

export interface MessageRow { kind: 'message'; key: string; seq: number; message: Message }
export type Verb = 'joined' | 'left' | 'made' | 'changed' | 'invited';
export interface NoteRow { kind: 'note'; key: string; seq: number; at: number; verb: Verb; userId: string; userName: string; text: string }
/** GapRow stands for what lies in (from, seq] and did not come. */
export interface GapRow { kind: 'gap'; key: string; seq: number; from: number; reason: string }
export type Row = MessageRow | NoteRow | GapRow;

/**
 * messageRow keys a message by its author and clientId where it has one, so that a message of one's own keeps its place on the
 * page when it turns from pending to sent.
 */
export function messageRow(message: Message): MessageRow {
  const key = message.clientId ? ownKey(message.user.id, message.clientId) : `m:${message.id}`;
  return { kind: 'message', key, seq: message.seq, message };
}

/** ownKey is the key of a message by its author's id and its clientId. */
export function ownKey(userId: string, clientId: string): string {
  return `c:${userId}:${clientId}`;
}

export function gapRow(from: number, to: number, reason: string): GapRow {
  return { kind: 'gap', key: `g:${to}`, seq: to, from, reason };
}

export function joinedRow(event: MemberEvent): NoteRow {
  return note(event, event.room ? 'made' : 'joined', '');
}

export function leftRow(event: MemberEvent): NoteRow {
  return note(event, 'left', '');
}

export function updatedRow(event: UpdateEvent): NoteRow {
  const words: string[] = [];
  if (event.name !== undefined) words.push(`named the room “${event.name}”`);
  if (event.topic !== undefined) words.push(event.topic === '' ? 'removed the topic' : `set the topic to “${event.topic}”`);
  return note(event, 'changed', words.join(' and '));
}

export function invitedRow(event: InviteEvent & { seq: number; id: string }): NoteRow {
  return note(event, 'invited', '');
}

function note(event: { seq: number; id: string; user: { id: string; name: string }; at: number }, verb: Verb, text: string): NoteRow {
  return { kind: 'note', key: `n:${event.id}:${event.seq}`, seq: event.seq, at: event.at, verb, userId: event.user.id, userName: event.user.name, text };
}

/** identity is what makes two rows the same one: a message's id, else the row's key. */
export function identity(row: Row): string {
  return row.kind === 'message' ? row.message.id : row.key;
}

/**
 * fromHistory makes rows of a page. A page holds messages; an item of another shape (a join kept in history) is left out rather than
 * shown wrongly.
 */
export function fromHistory(messages: Message[]): MessageRow[] {
  return messages.filter((item) => typeof item.text === 'string' || item.deleted === true).map(messageRow);
}
