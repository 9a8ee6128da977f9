import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Outbox, MAX_ENTRIES, type Entry, type Sent } from '../src/lib/outbox.svelte';
import type { Answer } from '../src/lib/protocol';
import { memory, type Keep } from '../src/lib/storage';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const refusal = (code: string, retryAfterMs?: number): Answer<Sent> => ({ ok: false, error: { code, message: '', ...(retryAfterMs ? { retryAfterMs } : {}) } });
let seq = 0;
const yes = (): Answer<Sent> => ({ ok: true, data: { id: `id${++seq}`, seq, at: 1 } });

/** A server whose answers are given one by one, in the order of the tries. */
function setUp(keep: Keep = memory()) {
  const tried: Entry[] = [];
  const waiting: ((answer: Answer<Sent>) => void)[] = [];
  const time = { now: 1000 };
  const outbox = new Outbox((entry) => {
    tried.push(entry);
    return new Promise((resolve) => waiting.push(resolve));
  }, keep, () => time.now);
  const answer = async (with_: Answer<Sent>): Promise<void> => {
    const next = waiting.shift();
    assert.ok(next, 'nothing was sent');
    next(with_);
    await settle();
  };
  return { outbox, tried, answer, keep, time, texts: () => tried.map((entry) => entry.text) };
}

test('the messages of a room go out one after the other, those of another beside them', async () => {
  const { outbox, answer, texts } = setUp();
  outbox.connected();
  for (const text of ['1', '2', '3']) outbox.add('a', 'me', text);
  outbox.add('b', 'me', 'x');
  await settle();
  assert.deepEqual(texts(), ['1', 'x']);
  await answer(yes());
  await answer(yes());
  await answer(yes());
  await answer(yes());
  assert.deepEqual(texts(), ['1', 'x', '2', '3']);
  assert.deepEqual(outbox.of('a').map((entry) => entry.state), ['acked', 'acked', 'acked']);
});

test('a passing refusal is tried again with the same clientId, after the time the server said, and the rest waits behind it', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    for (const code of ['unavailable', 'overloaded', 'rate_limited', 'unknown']) {
      const { outbox, tried, answer, texts } = setUp();
      outbox.connected();
      outbox.add('a', 'me', '1');
      outbox.add('a', 'me', '2');
      await answer(refusal(code, 3000));
      mock.timers.tick(2999);
      await settle();
      assert.deepEqual(texts(), ['1'], code);
      assert.ok(outbox.of('a')[0]!.reason, 'it says why it waits');
      mock.timers.tick(1);
      await settle();
      assert.deepEqual(texts(), ['1', '1'], code);
      assert.equal(tried[0]!.clientId, tried[1]!.clientId);
      await answer(yes());
      await answer(yes());
      assert.deepEqual(texts(), ['1', '1', '2'], code);
    }
  } finally {
    mock.timers.reset();
  }
});

test('a final refusal fails the message with a reason; the next one goes on; retry repeats the clientId; discard forgets it', async () => {
  const { outbox, tried, answer, texts, keep } = setUp();
  outbox.connected();
  outbox.add('a', 'me', '1');
  outbox.add('a', 'me', '2');
  await answer(refusal('forbidden'));
  const failed = outbox.of('a')[0]!;
  assert.equal(failed.state, 'failed');
  assert.ok(failed.reason);
  await answer(yes());
  outbox.retry(failed.clientId);
  await settle();
  assert.deepEqual(texts(), ['1', '2', '1']);
  assert.equal(tried[2]!.clientId, failed.clientId);
  await answer(refusal('forbidden'));
  outbox.discard(failed.clientId);
  assert.equal(outbox.of('a').length, 1);
  assert.deepEqual(keep.keys('out/'), []);
});

test('an outage of ten minutes, with a reload in it, fails nothing and keeps the order', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const keep = memory();
    const codes = ['unavailable', 'overloaded', 'rate_limited', 'unknown', 'offline'];
    let page = setUp(keep);
    page.outbox.connected();
    const ids = ['1', '2', '3'].map((text) => page.outbox.add('a', 'me', text)!.clientId); // within one millisecond
    let now = page.time.now;
    for (let minute = 0, n = 0; minute < 10; minute++) {
      if (minute === 5) {
        page.outbox.disconnected();
        page = setUp(keep);
        page.time.now = now;
        page.outbox.restore('me');
        page.outbox.connected();
        ids.push(page.outbox.add('a', 'me', '4')!.clientId);
      }
      for (let i = 0; i < 4; i++) {
        await page.answer(refusal(codes[n++ % codes.length]!));
        page.time.now = now += 15_000;
        mock.timers.tick(15_000);
        await settle();
      }
      assert.ok(page.outbox.of('a').every((entry) => entry.state === 'pending'), `minute ${minute}`);
      assert.ok(page.texts().every((text) => text === '1'), 'nothing overtakes the first');
    }
    page.tried.length = 0;
    page.outbox.retry(ids[0]!); // by hand, while a try is under way: no second one beside it
    for (const _ of ids) await page.answer(yes());
    assert.deepEqual(page.tried.map((entry) => entry.clientId), ids.slice(1));
    assert.deepEqual(page.outbox.of('a').map((entry) => [entry.clientId, entry.state]), ids.map((id) => [id, 'acked']));
    assert.deepEqual(keep.keys('out/'), []);
  } finally {
    mock.timers.reset();
  }
});

test('a final refusal fails that message alone, whatever its code, also in an outage', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    for (const code of ['invalid', 'too_large', 'forbidden', 'not_found', 'conflict', 'internal', 'of another time']) {
      const { outbox, answer, texts } = setUp();
      outbox.connected();
      for (const text of ['1', '2', '3']) outbox.add('a', 'me', text);
      await answer(refusal('unavailable', 1000));
      mock.timers.tick(1000);
      await settle();
      await answer(refusal(code));
      await answer(yes());
      await answer(yes());
      assert.deepEqual(texts(), ['1', '1', '2', '3'], code);
      assert.deepEqual(outbox.of('a').map((entry) => entry.state), ['failed', 'acked', 'acked'], code);
      assert.ok(outbox.of('a')[0]!.reason, code);
    }
  } finally {
    mock.timers.reset();
  }
});

test('who can wait no longer tries at once, or takes the message away; the next one goes on', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { outbox, answer, texts } = setUp();
    outbox.connected();
    const first = outbox.add('a', 'me', '1')!;
    outbox.add('a', 'me', '2');
    await answer(refusal('unavailable', 60_000));
    outbox.retry(first.clientId);
    await settle();
    assert.deepEqual(texts(), ['1', '1']);
    await answer(refusal('unavailable', 60_000));
    outbox.discard(first.clientId);
    await settle();
    assert.deepEqual(texts(), ['1', '1', '2']);
    await answer(yes());
    assert.deepEqual(outbox.of('a').map((entry) => entry.text), ['2']);
  } finally {
    mock.timers.reset();
  }
});

test('what waits survives a reload, in order, and goes out once connected; what was acked does not come back', async () => {
  const keep = memory();
  const first = setUp(keep);
  first.outbox.add('a', 'me', 'offline 1');
  first.time.now++;
  first.outbox.add('a', 'me', 'offline 2');
  first.outbox.connected();
  first.outbox.disconnected();
  await first.answer(yes());
  assert.deepEqual(first.texts(), ['offline 1']);

  const second = setUp(keep);
  second.outbox.restore('me');
  assert.deepEqual(second.outbox.of('a').map((entry) => entry.text), ['offline 2']);
  assert.equal(second.texts().length, 0);
  second.outbox.connected();
  await second.answer(yes());
  assert.deepEqual(second.texts(), ['offline 2']);
  assert.deepEqual(keep.keys('out/'), []);
});

test('an answer that was lost with the connection is asked for again with the same clientId', async () => {
  const { outbox, tried, answer } = setUp();
  outbox.connected();
  outbox.add('a', 'me', '1');
  await settle();
  outbox.disconnected();
  await answer(refusal('unknown'));
  assert.equal(tried.length, 1);
  outbox.connected();
  await settle();
  assert.equal(tried[1]!.clientId, tried[0]!.clientId);
});

test('its own event confirms a message, before the ack or after it', async () => {
  const { outbox, answer } = setUp();
  outbox.connected();
  const entry = outbox.add('a', 'me', '1')!;
  const event = { id: 'x', roomId: 'a', seq: 5, clientId: entry.clientId, text: '1', at: 1 };
  outbox.seen({ ...event, user: { id: 'other', name: '', guest: true } });
  assert.equal(outbox.of('a').length, 1, 'the clientId of another person is nothing to us');
  outbox.seen({ ...event, user: { id: 'me', name: '', guest: true } });
  assert.equal(outbox.of('a').length, 0);
  await answer(yes());
  assert.equal(outbox.of('a').length, 0);
  outbox.add('a', 'me', '2');
  await answer({ ok: true, data: { id: 'y', seq: 9, at: 1 } });
  outbox.passed('a', 8);
  assert.equal(outbox.of('a').length, 1);
  outbox.passed('a', 9);
  assert.equal(outbox.of('a').length, 0);
});

test('another user does not send what the one before left; a spoilt store does no harm; the number is bounded', async () => {
  const keep = memory();
  setUp(keep).outbox.add('a', 'me', 'mine');
  keep.set('out/broken', '{');
  keep.set('out/odd', '{"clientId":7}');
  const { outbox } = setUp(keep);
  outbox.restore('somebody else');
  assert.equal(outbox.entries.length, 0);
  assert.deepEqual(keep.keys('out/'), []);
  for (let i = 0; i < MAX_ENTRIES; i++) assert.ok(outbox.add('a', 'me', 'x'));
  assert.equal(outbox.add('a', 'me', 'one too many'), undefined);
});
