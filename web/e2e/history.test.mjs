// Reading: older pages without a jump, the middle of a room, late answers, gaps, what is unread.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Person } from './browser.mjs';
import { Client } from './client.mjs';
import { pause, Server, until } from './server.mjs';
import { Wire } from './wire.mjs';

let server, browser, writer;
before(async () => {
  server = await Server.start();
  browser = await launch();
  writer = await Client.connect(server.url, 'Writer');
  await writer.join('lobby');
});
after(async () => {
  writer?.close();
  await browser?.close();
  await server?.remove();
});

/** made gives a public room with so many messages, and a person who is in it. */
async function made(name, count, prepare) {
  const room = await writer.create(name);
  await writer.fill(room.id, 1, count, name);
  const reader = await Person.open(browser, `${server.url}#/r/${room.id}`, { prepare });
  await reader.introduceTo(name);
  return { room, reader };
}

Person.prototype.introduceTo = async function (name) {
  await this.page.locator('#name').fill('Reader');
  await this.page.keyboard.press('Enter');
  await this.page.getByRole('button', { name: /^Join/ }).click();
  await this.composer.waitFor();
  await this.page.locator('header h1', { hasText: name }).waitFor();
};

/** numbers are the numbered messages on the page. */
const numbers = async (reader) => (await reader.texts()).map((text) => Number(/ (\d+)$/.exec(text)?.[1])).filter((n) => !Number.isNaN(n));
const whole = (list) => list.every((n, at) => at === 0 || n === list[at - 1] + 1);

test('scrolling up brings older messages; the text under the eyes does not move; few are drawn; End leads back', async () => {
  const wire = new Wire();
  const { reader } = await made('Long', 700, wire.prepare);
  await reader.sees('Long 700');
  wire.delay = 300; // so that the page comes while one looks
  for (let i = 0; i < 40 && (await numbers(reader))[0] > 1; i++) {
    const first = (await numbers(reader))[0];
    await reader.scroll(60);
    const before = await reader.page.evaluate(watchTop);
    await until('an older page', async () => (await numbers(reader))[0] < first);
    const moved = await reader.page.evaluate(movedBy, before);
    assert.ok(Math.abs(moved) <= 2, `the text moved by ${moved} px`);
    assert.ok(whole(await numbers(reader)), 'no hole');
    assert.ok((await reader.page.locator('[data-message]').count()) <= 400, 'at most 400 are drawn');
  }
  assert.equal((await numbers(reader))[0], 1);
  await reader.page.getByText('This is where').waitFor();
  wire.delay = 0;
  await reader.page.getByRole('button', { name: 'Jump to latest' }).click();
  await reader.sees('Long 700');
  assert.ok(await atEnd(reader));
  await reader.close();
});

test('new messages do not move who reads above; they are counted; at the end they are followed', async () => {
  const { room, reader } = await made('Lively', 60);
  await reader.sees('Lively 60');
  await writer.send(room.id, 'Lively 61');
  await reader.sees('Lively 61');
  assert.ok(await atEnd(reader), 'the end is followed');
  await reader.scroll(300);
  const before = await reader.page.evaluate(watchTop);
  await writer.fill(room.id, 62, 64, 'Lively');
  await reader.page.getByRole('button', { name: '3 new messages' }).waitFor();
  assert.ok(Math.abs(await reader.page.evaluate(movedBy, before)) <= 1);
  await reader.page.getByRole('button', { name: '3 new messages' }).click();
  await reader.sees('Lively 64');
  assert.ok(await atEnd(reader));
  await reader.close();
});

test('a scroll that comes when the list is gone does no harm', async () => {
  const { reader } = await made('Gone', 40);
  await reader.sees('Gone 40');
  const list = await reader.list.elementHandle();
  await reader.room('lobby');
  await reader.page.locator('header h1', { hasText: 'Lobby' }).waitFor();
  await reader.page.waitForFunction((one) => !one.isConnected, list);
  await list.evaluate((one) => { one.dispatchEvent(new Event('scroll')); });
  await reader.close(); // which finds no exception
});

test('case 12: a late answer lands in its own room, or nowhere', async () => {
  const wire = new Wire();
  const { room: a, reader } = await made('Alpha', 200, wire.prepare);
  const b = await writer.create('Beta');
  await writer.send(b.id, 'Beta 1');
  await reader.page.goto(`${server.url}#/r/${b.id}`);
  await reader.page.getByRole('button', { name: /^Join/ }).click();
  await reader.sees('Beta 1');
  await reader.room('Alpha');
  await reader.sees('Alpha 200');
  wire.delay = 1500;
  wire.toServer = ({ name, payload, ack }) => {
    if (name !== 'message:list' || payload.roomId !== a.id || !wire.fail) return true;
    setTimeout(() => wire.answer(ack, { ok: false, error: { code: 'unavailable', message: 'broken' } }), 1500);
    return false;
  };
  const foreign = async () => {
    const shown = await reader.page.locator('main.talk').innerText();
    assert.doesNotMatch(shown, /Alpha \d|Loading|can not be shown/);
    assert.match(shown, /Beta 1/);
  };
  await reader.scroll(0); // asks for an older page of Alpha
  await pause(50);
  await reader.room('Beta');
  await reader.sees('Beta 1'); // the page turns to it a moment after the click
  for (let i = 0; i < 20; i++) {
    await foreign();
    await pause(100);
  }
  await reader.room('Alpha');
  await until("Alpha's page landed in Alpha", async () => (await numbers(reader)).length > 50);
  wire.fail = true;
  await reader.scroll(0);
  await pause(50);
  await reader.room('Beta');
  await reader.sees('Beta 1'); // the page turns to it a moment after the click
  for (let i = 0; i < 20; i++) {
    await foreign();
    await pause(100);
  }
  await reader.close();
});

test('case 13: a window in the middle ends at its own end; a counter tells; scrolling down leaves no hole', async () => {
  const wire = new Wire();
  const { room, reader } = await made('Middle', 500, wire.prepare);
  const seq = (await writer.history(room.id)).find((message) => message.text === 'Middle 50').seq;
  await reader.page.goto(`${server.url}#/r/${room.id}/m/${seq}`);
  await reader.said('Middle 50').waitFor();
  await until('the message is in view', () => inView(reader, 'Middle 50'));
  const shown = await numbers(reader);
  assert.ok(!shown.includes(500) && whole(shown));
  await writer.fill(room.id, 501, 503, 'Middle');
  await reader.page.getByRole('button', { name: '3 new messages' }).waitFor();
  wire.page.close({ code: 4000 });
  await until('it is connected again', () => wire.connections > 1);
  await reader.connected();
  await writer.send(room.id, 'Middle 504');
  await reader.page.getByRole('button', { name: '4 new messages' }).waitFor();
  assert.ok(Math.max(...(await numbers(reader))) < 500, 'nothing was glued behind the window');
  for (let i = 0; i < 200 && Math.max(...(await numbers(reader))) < 504; i++) {
    assert.ok(whole(await numbers(reader)), 'no hole');
    const last = Math.max(...(await numbers(reader)));
    await reader.scroll(-1);
    await until('a newer page', async () => Math.max(...(await numbers(reader))) > last || last >= 504);
  }
  assert.ok(whole(await numbers(reader)));
  await reader.scroll(-1);
  await until('the address is the room, not the message', async () => !reader.page.url().includes('/m/'));
  await reader.page.goto(`${server.url}#/r/${room.id}/m/${seq}`);
  await until('the message is in view again', () => inView(reader, 'Middle 50'));
  await reader.say('Middle 505');
  await reader.sees('Middle 505');
  await until('own send leads to the end', () => atEnd(reader));
  assert.ok(whole(await numbers(reader)));
  await reader.close();
});

test('newer messages that can not be had are said to be missing where the reader is, and come when he asks again', async () => {
  const wire = new Wire();
  const { room, reader } = await made('Broken', 300, wire.prepare);
  const seq = (await writer.history(room.id)).find((message) => message.text === 'Broken 50').seq;
  let broken = true;
  wire.toServer = ({ name, payload, ack }) => {
    if (!broken || name !== 'message:list' || payload.after === undefined) return true;
    wire.answer(ack, { ok: false, error: { code: 'unavailable', message: 'broken' } });
    return false;
  };
  await reader.page.goto(`${server.url}#/r/${room.id}/m/${seq}`);
  await reader.said('Broken 50').waitFor();
  await until('the message is in view', () => inView(reader, 'Broken 50'));
  const last = Math.max(...(await numbers(reader)));
  await reader.scroll(-1);
  const below = reader.list.locator('.edge.problem').last();
  await below.waitFor();
  await until('the refusal is on the screen', () => below.evaluate((one) => one.getBoundingClientRect().top < one.closest('[data-list]').getBoundingClientRect().bottom && one.getBoundingClientRect().top > 0));
  broken = false;
  await below.getByRole('button', { name: 'Try again' }).click();
  await until('newer ones came', async () => Math.max(...(await numbers(reader))) > last);
  await until('the refusal is gone', async () => (await reader.list.locator('.edge.problem').count()) === 0);
  assert.ok(whole(await numbers(reader)));
  await reader.close();
});

test('what is unread: badge, title, the line New, and all of it gone once read', async () => {
  const { room, reader } = await made('News', 3);
  await reader.sees('News 3');
  await reader.page.locator('nav.rooms').getByText('lobby').click();
  await writer.fill(room.id, 4, 6, 'News');
  const item = reader.page.locator('nav.rooms a.room', { hasText: 'News' });
  await item.locator('.badge', { hasText: /^3$/ }).waitFor();
  assert.match(await reader.page.title(), /^\(3\) /);
  await reader.page.reload();
  await item.locator('.badge', { hasText: /^3$/ }).waitFor();
  await item.click();
  await reader.sees('News 6');
  const order = await reader.page.evaluate(() => [...document.querySelectorAll('[data-key]')].map((one) => one.querySelector('p.text')?.textContent ?? one.textContent));
  assert.equal(order[order.indexOf('New') + 1], 'News 4');
  await until('the badge goes', async () => (await item.locator('.badge').count()) === 0);
  assert.doesNotMatch(await reader.page.title(), /^\(/);
  await reader.close();
});

test('a gap is drawn as one, and can be loaded', async () => {
  const wire = new Wire();
  const { room, reader } = await made('Holes', 5, wire.prepare);
  await reader.sees('Holes 5');
  const { seq: from } = (await writer.history(room.id)).at(-1);
  wire.toPage = (text) => !text.startsWith('42["message:new"');
  await writer.fill(room.id, 6, 9, 'Holes');
  const { seq: to } = (await writer.history(room.id)).at(-1);
  wire.event('gap', { roomId: room.id, from, to, reason: 'limit' });
  wire.toPage = () => true;
  await reader.page.locator('.gap').waitFor();
  await writer.send(room.id, 'Holes 10');
  await reader.sees('Holes 10');
  assert.deepEqual(await numbers(reader), [1, 2, 3, 4, 5, 10]);
  await reader.page.locator('.gap').getByRole('button', { name: 'Load them' }).click();
  await until('the gap is gone', async () => (await reader.page.locator('.gap').count()) === 0);
  assert.deepEqual(await numbers(reader), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  await reader.close();
});

function watchTop() {
  const list = document.querySelector('[data-list]');
  const top = list.getBoundingClientRect().top;
  const message = [...list.querySelectorAll('[data-message]')].find((one) => one.getBoundingClientRect().bottom > top);
  return { key: message.dataset.key, at: message.getBoundingClientRect().top };
}

function movedBy({ key, at }) {
  return document.querySelector(`[data-key="${CSS.escape(key)}"]`).getBoundingClientRect().top - at;
}

const atEnd = (reader) => reader.list.evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight < 32);
const inView = (reader, text) => reader.said(text).evaluate((one) => {
  const list = one.closest('[data-list]').getBoundingClientRect();
  const box = one.getBoundingClientRect();
  return box.top >= list.top && box.bottom <= list.bottom;
});
