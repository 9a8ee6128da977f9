import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../src/lib/connection.svelte';
import { Outbox } from '../src/lib/outbox.svelte';
import type { Answer, Message } from '../src/lib/protocol';
import { Reading } from '../src/lib/reading';
import { Rooms } from '../src/lib/rooms.svelte';
import { messageRow } from '../src/lib/rows';
import { memory } from '../src/lib/storage';

const user = { id: 'ann', name: 'Ann', guest: false };
const message = (roomId: string, seq: number): Message => ({ id: `m${seq}`, roomId, seq, clientId: `c${seq}`, user, text: 'x', at: 1 });
const room = (id: string) => ({ id, name: id, private: false, owner: 'ann', createdAt: 0, members: 1 });
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('rooms beyond the 500 that a connect may resume are told apart, so that they are opened anew', () => {
  const rooms = new Rooms(memory());
  assert.deepEqual(rooms.notPresented(), []);
  for (let i = 0; i < 520; i++) {
    const one = rooms.of(`r${i}`);
    one.membership = 'joined';
    one.timeline.opened({ room: room(one.id), messages: [], hasMore: false, asOf: 7 });
  }
  const since = rooms.positions();
  assert.equal(Object.keys(since).length, 500);
  const left = rooms.notPresented();
  assert.equal(left.length, 20);
  assert.ok(left.every((one) => !(one.id in since)));
});

test('a room of which an event came while it waited for its turn is opened all the same', async () => {
  const rooms = new Rooms(memory());
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  const connection = {
    request: (_: string, { roomId }: { roomId: string }) =>
      new Promise<Answer<unknown>>((resolve) => {
        asked.push(roomId);
        answers.push(() => resolve({ ok: true, data: { room: room(roomId), messages: [message(roomId, 5)], hasMore: false, asOf: 5 } }));
      }),
  } as unknown as Connection;
  const reading = new Reading(connection, rooms, new Outbox(() => new Promise(() => {}), memory()), () => 'me');
  const all = ['a', 'b', 'c', 'd'].map((id) => rooms.of(id));
  for (const one of all) one.membership = 'joined';
  reading.openAll(all); // three at once, the fourth waits
  all[3]!.timeline.live(messageRow(message('d', 9)));
  for (let i = 0; i < 10; i++) {
    answers.shift()?.();
    await settle();
  }
  assert.deepEqual(asked, ['a', 'b', 'c', 'd']);
  assert.deepEqual(all[3]!.timeline.rows.map((row) => row.seq), [5, 9]);
  assert.ok(all.every((one) => one.timeline.isOpen));
});
