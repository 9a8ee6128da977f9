import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff, socketPath } from '../src/lib/connection.svelte';
import { layout, noteWords, typingWords } from '../src/lib/layout';
import type { Entry } from '../src/lib/outbox.svelte';
import { People } from '../src/lib/people.svelte';
import { Rooms } from '../src/lib/rooms.svelte';
import { joinedRow, messageRow, ownKey, type Row } from '../src/lib/rows';
import { memory } from '../src/lib/storage';

const ann = { id: 'ann', name: 'Ann', guest: false };
const me = { id: 'me', name: 'Me', guest: true };
const noon = new Date(2026, 10, 25, 12, 0).getTime();
const MINUTE = 60_000;
let n = 0;
const said = (user: typeof ann, at: number, clientId?: string): Row =>
  messageRow({ id: `m${++n}`, roomId: 'r', seq: n, user, text: 'x', at, ...(clientId ? { clientId } : {}) });
const entry = (clientId: string, more: Partial<Entry> = {}): Entry => ({ clientId, roomId: 'r', userId: 'me', text: 'y', at: noon, state: 'pending', ...more });
const kinds = (items: ReturnType<typeof layout>): string[] => items.map((item) => (item.kind === 'message' ? (item.head ? 'HEAD' : 'more') : item.kind));

test('one author within five minutes is one group; a day, another author and a note begin a new one', () => {
  const rows = [said(ann, noon - 24 * 60 * MINUTE), said(ann, noon), said(ann, noon + 4 * MINUTE), said(ann, noon + 10 * MINUTE), said(me, noon + 11 * MINUTE)];
  assert.deepEqual(kinds(layout(rows, [], me, 0)), ['day', 'HEAD', 'day', 'HEAD', 'more', 'HEAD', 'HEAD']);
});

test('the line New stands once, before the first message of somebody else after the read mark', () => {
  const rows = [said(ann, noon), said(me, noon), said(ann, noon), said(ann, noon)];
  const items = layout(rows, [], me, rows[0]!.seq);
  assert.deepEqual(kinds(items), ['day', 'HEAD', 'HEAD', 'new', 'HEAD', 'more']);
  assert.ok(!kinds(layout(rows, [], me, rows[3]!.seq)).includes('new'));
});

test('an unsent message keeps its key when it is sent, and is there once', () => {
  const key = ownKey('me', 'c1');
  const before = layout([], [entry('c1')], me, 0);
  const after = layout([said(me, noon, 'c1')], [entry('c1', { state: 'acked' })], me, 0);
  assert.deepEqual(before.filter((item) => item.key === key).length, 1);
  assert.deepEqual(after.filter((item) => item.key === key).length, 1);
  assert.equal(after.length, 2);
});

test('an unsent message is never drawn under an earlier day than what stands above it', () => {
  const items = layout([said(ann, noon)], [entry('c1', { at: noon - 3 * 24 * 60 * MINUTE })], me, 0);
  assert.deepEqual(kinds(items), ['day', 'HEAD', 'HEAD']);
});

test('no key is there twice, even when days go back and rows are repeated', () => {
  const rows = [said(ann, noon), said(ann, noon - 24 * 60 * MINUTE), said(ann, noon)];
  const items = layout([...rows, ...rows], [], me, 0);
  assert.equal(new Set(items.map((item) => item.key)).size, items.length);
});

test('comings and goings are one line', () => {
  const rows = ['Ann', 'Bo', 'Cy', 'Di', 'Ed'].map((name, i) => joinedRow({ seq: i + 1, id: `j${i}`, roomId: 'r', user: { id: name, name, guest: true }, at: noon }));
  const items = layout(rows, [], me, 0);
  assert.deepEqual(kinds(items), ['day', 'notes']);
  const last = items[1]!;
  assert.equal(last.kind === 'notes' && noteWords(last.notes), 'Ann, Bo and 3 others joined');
  assert.equal(typingWords(['Ann']), 'Ann is typing…');
  assert.equal(typingWords(['Ann', 'Bo']), 'Ann and Bo are typing…');
  assert.equal(typingWords(['a', 'b', 'c', 'd']), 'Several people are typing…');
});

test('waits grow, are never equal for all, and are bounded; the socket lies beside the page', () => {
  assert.ok(backoff(0, 1) <= 400 && backoff(0, 0) >= 200);
  assert.ok(backoff(50, 1) === 15_000 && backoff(3, 0) > backoff(1, 1));
  assert.equal(socketPath('/'), '/socket.io/');
  assert.equal(socketPath('/chat/'), '/chat/socket.io/');
  assert.equal(socketPath('/a/chat/index.html'), '/a/chat/socket.io/');
});

test('presence: who is here, who left, counts alone above 200, and typing that ends', () => {
  const people = new People();
  people.first({ members: [{ ...ann, here: false }] });
  people.presence({ roomId: 'r', joined: [ann, me], left: [], count: 2 });
  assert.deepEqual([...people.members.values()].map((one) => one.here), [true, true]);
  people.types(ann, true);
  people.types(ann, true);
  assert.deepEqual(people.typing.map((one) => one.id), ['ann']);
  people.presence({ roomId: 'r', left: [ann], count: 1 });
  assert.equal(people.members.get('ann')?.here, false);
  assert.deepEqual(people.typing, []);
  people.presence({ roomId: 'r', count: 4321 });
  assert.equal(people.here, 4321);
  assert.equal(people.added(ann), false);
  people.removed('ann');
  assert.equal(people.added(ann), true);
});

test('who is not known to be here or away is neither', () => {
  const people = new People();
  const bo = { id: 'bo', name: 'Bo', guest: false };
  const cy = { id: 'cy', name: 'Cy', guest: false };
  const said = (): unknown[] => ['me', 'ann', 'bo', 'cy'].map((id) => people.members.get(id)?.here);
  people.first({ members: [{ ...me, here: true }, { ...ann, here: true }, { ...bo, here: false }, cy] });
  assert.deepEqual(said(), [true, true, false, undefined]);
  people.presence({ roomId: 'r', count: 3 });
  assert.deepEqual(said(), [true, true, false, undefined], 'one is here of whom nothing is known');
  people.presence({ roomId: 'r', left: [], joined: [], count: 2 });
  assert.deepEqual(said(), [true, true, false, false], 'all who are here are known, so that the rest is away');
  people.presence({ roomId: 'r', left: [ann], count: 1, stale: true });
  assert.ok(people.stale);
  assert.deepEqual(said(), [true, undefined, undefined, undefined], 'they may be on another node');
  people.presence({ roomId: 'r', joined: [ann], count: 2 });
  assert.deepEqual(said(), [true, true, false, false]);
  people.presence({ roomId: 'r', joined: [], left: [], count: 201 });
  assert.deepEqual(said(), [undefined, undefined, undefined, undefined], 'who comes and goes is not told any more');
  assert.equal(people.here, 201);
  people.first({ members: [{ ...me, here: true }, ann, bo] });
  assert.equal(people.added(cy), true);
  assert.deepEqual(said(), [true, undefined, undefined, undefined]);
  people.presence({ roomId: 'r', joined: [me, bo], left: [], count: 2 });
  assert.deepEqual(said(), [true, false, true, false], 'names again: all of them');
});

test('read marks: kept, never going back; a first visit has nothing unread', () => {
  const keep = memory();
  const room = new Rooms(keep).of('r');
  const page = { messages: [1, 2, 3].map((i) => ({ id: `p${i}`, roomId: 'r', seq: i, user: ann, text: '', at: noon })), hasMore: false, asOf: 3 };
  const info = { id: 'r', name: 'r', private: false, owner: 'ann', createdAt: 0, members: 1 };
  room.timeline.opened({ room: info, ...page });
  const rooms = new Rooms(keep);
  rooms.counted(room, 'me');
  assert.equal(room.unread, 0);
  assert.equal(new Rooms(keep).of('r').read, 3);
  rooms.markRead(room, 2);
  assert.equal(room.read, 3);
  const later = new Rooms(keep).of('r');
  later.timeline.opened({ room: info, ...page, messages: [...page.messages, { id: 'p4', roomId: 'r', seq: 4, user: ann, text: '', at: noon }], asOf: 4 });
  rooms.counted(later, 'me');
  assert.equal(later.unread, 1);
  assert.equal(later.divider, 3);
});
