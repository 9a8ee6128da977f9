import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Message, Page } from '../src/lib/protocol';
import { messageRow, type GapRow } from '../src/lib/rows';
import { MAX_ROWS, Timeline } from '../src/lib/timeline.svelte';

const user = { id: 'ann', name: 'Ann', guest: false };
const message = (n: number): Message => ({ id: `m${n}`, roomId: 'r', seq: n * 10, clientId: `c${n}`, user, text: String(n), at: n * 1000 });
const range = (from: number, to: number): Message[] => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => message(from + i));
const row = (n: number) => messageRow(message(n));
const numbers = (timeline: Timeline): (number | string)[] => timeline.rows.map((one) => (one.kind === 'message' ? Number(one.message.text) : one.kind));
const room = { id: 'r', name: 'r', private: false, owner: 'ann', createdAt: 0, members: 1 };

/** A server with messages 1..last that answers message:list as docs/protocol.md says. */
function list(last: number, where: { before?: number; after?: number; around?: number }, limit = 50): Page {
  const all = range(1, last);
  const asOf = last * 10;
  if (where.before !== undefined) {
    const some = all.filter((one) => one.seq < where.before!);
    return { messages: some.slice(-limit), hasMore: some.length > limit, newer: true, asOf };
  }
  if (where.after !== undefined) {
    const some = all.filter((one) => one.seq > where.after!);
    return { messages: some.slice(0, limit), hasMore: some.length > limit, asOf };
  }
  if (where.around !== undefined) {
    const at = Math.max(0, all.findIndex((one) => one.seq >= where.around!) - limit / 2);
    return { messages: all.slice(at, at + limit), hasMore: at > 0, newer: at + limit < all.length, asOf };
  }
  return { messages: all.slice(-limit), hasMore: all.length > limit, newer: false, asOf };
}

function opened(last: number): Timeline {
  const timeline = new Timeline();
  timeline.opened({ room, ...list(last, {}) });
  return timeline;
}

test('since begins at asOf and is moved by received events and gaps only', () => {
  const timeline = opened(3);
  assert.equal(timeline.position, 30);
  timeline.older(list(3, { before: 30 }));
  timeline.landed(list(99, {}), true); // a page that reaches further than what was received
  assert.equal(timeline.position, 30);
  timeline.live(row(4));
  assert.equal(timeline.position, 40);
  timeline.missed(40, 75, 'limit');
  assert.equal(timeline.position, 75);
});

test('an event that came before the answer to the open is kept, and none is there twice', () => {
  const timeline = new Timeline();
  timeline.live(row(3)); // contained in the page
  timeline.live(row(4)); // newer than the page
  timeline.opened({ room, ...list(3, {}) });
  assert.deepEqual(numbers(timeline), [1, 2, 3, 4]);
  assert.equal(timeline.position, 40);
  assert.equal(timeline.live(row(4)), false);
  assert.deepEqual(numbers(timeline), [1, 2, 3, 4]);
});

test('a second copy under a later seq is dropped by its id', () => {
  const timeline = opened(3);
  assert.equal(timeline.live(messageRow({ ...message(2), seq: 35 })), false);
  assert.deepEqual(numbers(timeline), [1, 2, 3]);
  assert.equal(timeline.position, 35);
});

test('a tombstone takes the place of its message', () => {
  const timeline = opened(3);
  timeline.live(messageRow({ id: 'm2', roomId: 'r', seq: 40, user, deleted: true, reason: 'x', at: 0 }));
  assert.equal(timeline.rows.length, 3);
  const second = timeline.rows[1]!;
  assert.ok(second.kind === 'message' && second.message.deleted);
});

test('case 13: live messages are not glued behind a window in the middle', () => {
  const timeline = opened(500);
  timeline.landed(list(500, { around: 500 }), false);
  assert.equal(timeline.attached, false);
  const before = numbers(timeline);
  for (let n = 501; n <= 504; n++) timeline.live(row(n));
  assert.deepEqual(numbers(timeline), before);
  assert.equal(timeline.behind, 4);
  assert.equal(timeline.position, 5040);
  // Scrolling down brings every message, once, and ends at the live tail.
  const seen = new Set(before);
  for (let i = 0; i < 20 && !timeline.attached; i++) {
    timeline.newer(list(504, { after: timeline.newest }));
    for (const n of numbers(timeline)) seen.add(n);
    assert.ok(timeline.rows.length <= MAX_ROWS);
    const all = numbers(timeline) as number[];
    all.forEach((n, at) => assert.ok(at === 0 || n === all[at - 1]! + 1, `a hole before ${n}`));
  }
  assert.equal(timeline.attached, true);
  assert.equal(timeline.newest, 5040);
  timeline.live(row(505));
  assert.equal(timeline.newest, 5050);
});

test('case 13: what comes while the last page is under way is behind it, without a hole', () => {
  const timeline = opened(100);
  timeline.landed(list(100, { around: 200 }), false);
  const page = list(100, {});
  timeline.live(row(101));
  timeline.live(row(102));
  timeline.landed(page, true);
  assert.deepEqual(numbers(timeline).slice(-3), [100, 101, 102]);
  assert.equal(timeline.behind, 0);
});

test('a page that is older than what was forgotten does not pretend to reach the end', () => {
  const timeline = opened(100);
  timeline.landed(list(100, { around: 200 }), false);
  const page = list(100, {});
  for (let n = 101; n <= 800; n++) timeline.live(row(n));
  timeline.landed(page, true);
  assert.equal(timeline.attached, false);
});

test('walking up and down never draws more than the cap, and never leaves a hole', () => {
  const timeline = opened(1000);
  while (timeline.hasOlder) {
    timeline.older(list(1000, { before: timeline.oldest }));
    assert.ok(timeline.rows.length <= MAX_ROWS);
  }
  assert.equal(timeline.oldest, 10);
  assert.equal(timeline.attached, false);
  while (!timeline.attached) timeline.newer(list(1000, { after: timeline.newest }));
  assert.equal(timeline.newest, 10_000);
  assert.ok(timeline.rows.length <= MAX_ROWS);
});

test('case 18: exactly one page ends exactly there', () => {
  for (const last of [0, 1, 49, 50, 51, 100, 101]) {
    const timeline = opened(last);
    let asked = 0;
    while (timeline.hasOlder && asked++ < 10) timeline.older(list(last, { before: timeline.oldest }));
    assert.deepEqual(numbers(timeline), range(1, last).map((one) => Number(one.text)), `${last} messages`);
  }
});

test('at the end the window moves on; above it, it waits and counts', () => {
  const timeline = opened(1);
  for (let n = 2; n <= 600; n++) timeline.live(row(n));
  assert.equal(timeline.rows.length, MAX_ROWS);
  assert.equal(timeline.hasOlder, true);
  timeline.atEnd = () => false;
  const top = timeline.oldest;
  for (let n = 601; n <= 1200; n++) timeline.live(row(n));
  assert.equal(timeline.oldest, top);
  assert.equal(timeline.behind, 600);
  assert.equal(timeline.attached, false);
  assert.ok(timeline.rows.length <= MAX_ROWS + 100);
});

test('a gap is drawn, filled page by page, and then gone', () => {
  const timeline = opened(10);
  timeline.missed(100, 1300, 'limit');
  timeline.live(row(131));
  assert.deepEqual(numbers(timeline).slice(-3), [10, 'gap', 131]);
  const gap = (): GapRow | undefined => timeline.rows.find((one): one is GapRow => one.kind === 'gap');
  timeline.filled(gap()!, list(131, { after: gap()!.from }));
  assert.equal(gap()!.from, 600);
  while (gap()) timeline.filled(gap()!, list(131, { after: gap()!.from }));
  assert.deepEqual(numbers(timeline), range(1, 131).map((one) => Number(one.text)));
});

test('a gap within a page is drawn too', () => {
  const timeline = opened(100);
  timeline.older({ messages: range(11, 20), hasMore: false, asOf: 1000, gap: { from: 200, to: 500, reason: 'trimmed' } });
  assert.equal(numbers(timeline).indexOf('gap'), 10);
});

test('a gap that lies before the position, or comes twice, changes nothing', () => {
  const timeline = opened(10);
  timeline.missed(20, 90, 'limit');
  timeline.missed(100, 200, 'limit');
  timeline.missed(100, 200, 'limit');
  assert.equal(timeline.rows.filter((one) => one.kind === 'gap').length, 1);
});

test('another log empties the room', () => {
  const timeline = opened(10);
  timeline.forget();
  assert.equal(timeline.position, 0);
  timeline.opened({ room, ...list(2, {}) });
  assert.deepEqual(numbers(timeline), [1, 2]);
});
