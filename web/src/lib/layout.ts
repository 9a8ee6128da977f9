// How rows and unsent messages lie under one another: day lines, the line "New", groups of one author, notes put together.
import type { User } from './protocol';
import type { Entry } from './outbox.svelte';
import { ownKey, type GapRow, type NoteRow, type Row } from './rows';
import { sameDay } from './time';

export interface MessageItem {
  kind: 'message'; key: string; user: User; text: string; at: number;
  /** The first of its author's group: it shows face and name. */
  head: boolean;
  seq: number; id?: string; replyTo?: string; deleted?: boolean;
  state: 'sent' | 'pending' | 'failed';
  reason?: string; hopeless?: boolean; clientId?: string;
  /** When it was written, by this computer's clock, if it is not sent. */
  written?: number;
}
export interface DayItem { kind: 'day'; key: string; at: number }
export interface NewItem { kind: 'new'; key: string }
export interface NotesItem { kind: 'notes'; key: string; notes: NoteRow[] }
export interface GapItem { kind: 'gap'; key: string; row: GapRow }
export type Item = MessageItem | DayItem | NewItem | NotesItem | GapItem;

/** Messages of one author within five minutes form a group. */
const GROUP_MS = 5 * 60_000;

/**
 * layout gives what is drawn, from top to bottom. divider is the seq after which the line "New" stands (0: nowhere; it needs a message
 * of somebody else behind it). Entries are one's own unsent messages; those whose event has already come are left out.
 */
export function layout(rows: readonly Row[], entries: readonly Entry[], me: User | undefined, divider: number): Item[] {
  const items: Item[] = [];
  let lastAt: number | undefined;
  let lastMessage: MessageItem | undefined;
  let drawnNew = divider === 0;
  const day = (at: number, before: string): void => {
    if (lastAt === undefined || !sameDay(lastAt, at)) {
      items.push({ kind: 'day', key: `d:${before}`, at });
      lastMessage = undefined;
    }
    lastAt = at;
  };
  const message = (item: MessageItem): void => {
    day(item.at, item.key);
    item.head = !lastMessage || lastMessage.user.id !== item.user.id || item.at - lastMessage.at > GROUP_MS || lastMessage.deleted === true;
    items.push(item);
    lastMessage = item;
  };
  for (const row of rows) {
    if (!drawnNew && row.kind === 'message' && row.seq > divider && row.message.user.id !== me?.id) {
      day(row.message.at, row.key);
      items.push({ kind: 'new', key: 'new' });
      lastMessage = undefined;
      drawnNew = true;
    }
    if (row.kind === 'message') message(ofRow(row));
    else if (row.kind === 'note') note(items, row, day);
    else items.push({ kind: 'gap', key: row.key, row });
    if (row.kind !== 'message') lastMessage = undefined;
  }
  const shown = new Set(rows.map((row) => row.key));
  for (const entry of entries) {
    const key = ownKey(entry.userId, entry.clientId);
    if (me && !shown.has(key)) message(ofEntry(entry, key, me, lastAt));
  }
  return distinct(items);
}

/** distinct sees to it that no key is there twice, whatever a server sent: the page could not draw that. */
function distinct(items: Item[]): Item[] {
  const keys = new Set<string>();
  return items.filter((item) => !keys.has(item.key) && keys.add(item.key));
}

function ofRow(row: Extract<Row, { kind: 'message' }>): MessageItem {
  const { message } = row;
  return {
    kind: 'message', key: row.key, user: message.user, text: message.text ?? '', at: message.at, head: true, seq: row.seq, id: message.id, state: 'sent',
    ...(message.replyTo ? { replyTo: message.replyTo } : {}), ...(message.deleted ? { deleted: true, reason: message.reason } : {}),
  };
}

/** An unsent message is never older than what stands above it, whatever this computer's clock says. */
function ofEntry(entry: Entry, key: string, me: User, after: number | undefined): MessageItem {
  return {
    kind: 'message', key, user: me, text: entry.text, at: Math.max(entry.at, after ?? 0), head: true, seq: 0, clientId: entry.clientId, written: entry.at,
    state: entry.state === 'acked' ? 'sent' : entry.state,
    ...(entry.replyTo ? { replyTo: entry.replyTo } : {}), ...(entry.reason ? { reason: entry.reason } : {}), ...(entry.hopeless ? { hopeless: true } : {}),
  };
}

/** Comings and goings that follow one another become one line. */
function note(items: Item[], row: NoteRow, day: (at: number, before: string) => void): void {
  const last = items[items.length - 1];
  const passing = row.verb === 'joined' || row.verb === 'left';
  if (last?.kind === 'notes' && passing && last.notes.every((one) => one.verb === row.verb) && sameDay(last.notes[0]!.at, row.at)) {
    last.notes.push(row);
    return;
  }
  day(row.at, row.key);
  items.push({ kind: 'notes', key: row.key, notes: [row] });
}

/** noteWords says a line of notes: "Ann, Bo and 3 others joined". */
export function noteWords(notes: readonly NoteRow[]): string {
  const first = notes[0]!;
  const names = [...new Map(notes.map((one) => [one.userId, one.userName])).values()];
  const who = names.length <= 3 ? listed(names) : `${names[0]}, ${names[1]} and ${names.length - 2} others`;
  switch (first.verb) {
    case 'joined': return `${who} joined`;
    case 'left': return `${who} left`;
    case 'made': return `${who} made this room`;
    case 'invited': return `${who} invited somebody`;
    case 'changed': return `${who} ${first.text}`;
  }
}

/** typingWords says who writes, without end when there are many. */
export function typingWords(names: readonly string[]): string {
  if (names.length === 0) return '';
  if (names.length > 3) return 'Several people are typing…';
  return `${listed(names)} ${names.length === 1 ? 'is' : 'are'} typing…`;
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}
