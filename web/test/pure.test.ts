import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agree, now } from '../src/lib/clock';
import { parts } from '../src/lib/links';
import { hueOf, initials, inventName, onlyEmoji } from '../src/lib/looks';
import { formatPlace, parsePlace } from '../src/lib/route.svelte';
import { memory, readJSON } from '../src/lib/storage';
import { dayWords, timeWords } from '../src/lib/time';
import { uuidv7 } from '../src/lib/uuidv7';

test('a uuidv7 has its version, its variant and its time', () => {
  const at = 1_732_500_000_123;
  const id = uuidv7(at);
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(parseInt(id.replaceAll('-', '').slice(0, 12), 16), at);
  assert.equal(new Set(Array.from({ length: 2000 }, () => uuidv7(at))).size, 2000);
  assert.ok(uuidv7(at) < uuidv7(at + 1));
});

test('ids follow the server when the local clock is far off, and the local clock when it is not', () => {
  agree(1_000_000, 5_000_000);
  assert.equal(now(5_000_500), 1_000_500);
  agree(5_000_900, 5_000_000);
  assert.equal(now(5_000_500), 5_000_500);
});

test('times are said as people say them', () => {
  const today = new Date(2026, 10, 25, 18, 0).getTime();
  const at = (month: number, day: number, year = 2026): number => new Date(year, month, day, 14, 5).getTime();
  assert.equal(timeWords(at(10, 25), today), '14:05');
  assert.equal(timeWords(at(10, 24), today), 'Tue 14:05');
  assert.equal(timeWords(at(10, 3), today), '3 Nov');
  assert.equal(timeWords(at(10, 3, 2024), today), '3 Nov 2024');
  assert.equal(dayWords(at(10, 25), today), 'Today');
  assert.equal(dayWords(at(10, 24), today), 'Yesterday');
  assert.equal(dayWords(at(10, 21), today), 'Saturday');
  assert.equal(dayWords(at(10, 3), today), 'Tuesday 3 November');
  assert.equal(dayWords(at(10, 3, 2024), today), '3 Nov 2024');
});

test('links are http and https only, and the text is never changed', () => {
  const cases: [string, string[]][] = [
    ['see https://example.com/a?b=c.', ['https://example.com/a?b=c']],
    ['(https://example.com/x_(y))', ['https://example.com/x_(y)']],
    ['javascript:alert(1) data:text/html,x', []],
    ['https://', []],
    ['http://a.example and HTTPS://b.example!', ['http://a.example/', 'https://b.example/']],
    ['https://example.com/"onmouseover=alert(1)', ['https://example.com/']],
    ['<a href="https://evil.example">', ['https://evil.example/']],
  ];
  for (const [text, hrefs] of cases) {
    const found = parts(text);
    assert.equal(found.map((part) => part.text).join(''), text);
    assert.deepEqual(found.flatMap((part) => part.href ?? []), hrefs, text);
  }
});

test('faces: the same for the same id, two signs at most, spread over the wheel', () => {
  assert.equal(hueOf('ann'), hueOf('ann'));
  const sectors = new Set(Array.from({ length: 60 }, (_, i) => Math.floor(hueOf(`user-${i}`) / 30)));
  assert.ok(sectors.size >= 9, `only ${sectors.size} of 12 sectors used`);
  assert.equal(initials('Calm Otter'), 'CO');
  assert.equal(initials('  bo '), 'B');
  assert.equal(initials('山田 太郎'), '山太');
  assert.equal(initials('👩‍👩‍👧 x'), '👩‍👩‍👧X');
  assert.equal(initials(''), '?');
  assert.match(inventName(), /^[A-Z][a-z]+ [A-Z][a-z]+$/);
});

test('only emoji means only emoji', () => {
  for (const text of ['🎉', '👩‍👩‍👧 🎉', '🇳🇿', ' ❤️ ']) assert.ok(onlyEmoji(text), text);
  for (const text of ['', '1', 'a🎉', '🎉🎉🎉🎉', '#', '123']) assert.ok(!onlyEmoji(text), text);
});

test('a place survives the address bar; nonsense is the list', () => {
  for (const place of [{}, { room: 'lobby' }, { room: 'a/b c%' }, { room: 'x', seq: 8796093022300 }, { room: 'x', people: true }]) {
    assert.deepEqual(parsePlace(formatPlace(place)), place);
  }
  assert.deepEqual(parsePlace('#/r/%E0%A4%A'), {});
  assert.deepEqual(parsePlace('#/r/'), {});
  assert.deepEqual(parsePlace('#/r/x/m/-4'), { room: 'x' });
  assert.deepEqual(parsePlace('#/r/x/m/9e99'), { room: 'x' });
  assert.deepEqual(parsePlace(`#/r/${'a'.repeat(200)}`), {});
});

test('what was kept is read back only if it looks right', () => {
  const keep = memory();
  const isText = (value: unknown): value is string => typeof value === 'string';
  keep.set('a', '"x"');
  keep.set('b', '{');
  keep.set('c', '7');
  assert.equal(readJSON(keep, 'a', isText), 'x');
  assert.equal(readJSON(keep, 'b', isText), undefined);
  assert.equal(readJSON(keep, 'c', isText), undefined);
  assert.equal(readJSON(keep, 'none', isText), undefined);
});
