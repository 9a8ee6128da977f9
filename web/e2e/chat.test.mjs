// Talking: two windows, a restart, what is on its way, what failed, what was said offline.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Person } from './browser.mjs';
import { Client } from './client.mjs';
import { Server, until } from './server.mjs';
import { Wire } from './wire.mjs';

let server, browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

test('two windows chat: messages both ways, typing, who is here, guests marked', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann');
  const bo = await Person.enter(browser, server.url, 'Bo');
  await ann.say('Hello Bo');
  await bo.sees('Hello Bo');
  await bo.composer.pressSequentially('Hel');
  await ann.page.getByText('Bo is typing…').waitFor();
  await bo.composer.fill('Hello Ann');
  await bo.composer.press('Enter');
  await ann.sees('Hello Ann');
  await until('the typing line ends', async () => (await ann.page.getByText('is typing').count()) === 0);
  await ann.page.locator('aside.people .person', { hasText: 'Bo' }).locator('.dot').waitFor();
  assert.equal(await ann.said('Hello Ann').locator('.guest').count(), 1);
  await bo.close();
  await until('Bo is away', async () => (await ann.page.locator('aside.people .person', { hasText: 'Bo' }).locator('.dot').count()) === 0);
  await ann.close();
});

test('own message at once: pending, then confirmed in the same element', async () => {
  const wire = new Wire();
  const held = [];
  wire.toPage = (text) => !(wire.hold && (/^43\d/.test(text) || text.includes('message:new')) && held.push(text));
  const ann = await Person.enter(browser, server.url, 'Ann', { prepare: wire.prepare });
  wire.hold = true;
  await ann.say('On its way');
  const message = ann.said('On its way');
  await message.waitFor();
  assert.equal(await message.getAttribute('data-state'), 'pending');
  assert.equal(await ann.composer.inputValue(), '', 'the composer is free at once');
  const element = await message.elementHandle();
  const { top } = await element.evaluate((one) => one.getBoundingClientRect().toJSON());
  wire.hold = false;
  for (const text of held.splice(0)) wire.page.send(text);
  await until('it is sent', async () => (await message.getAttribute('data-state')) === 'sent');
  assert.equal(await element.evaluate((one) => one.isConnected && one.dataset.state), 'sent', 'it is still the same element');
  assert.ok(Math.abs((await element.evaluate((one) => one.getBoundingClientRect().top)) - top) < 1, 'it did not move');
  await ann.sees('On its way');
  await ann.close();
});

test('a refused message says why; Retry sends the same clientId; it is in history once; Discard takes it away', async () => {
  const wire = new Wire();
  const ids = [];
  wire.toServer = ({ name, payload, ack }) => {
    if (name !== 'message:send' || !payload.text.startsWith('Trouble')) return true;
    ids.push(payload.clientId);
    if (!wire.refuse) return true;
    wire.answer(ack, { ok: false, error: { code: 'forbidden', message: 'not now' } });
    return false;
  };
  const ann = await Person.enter(browser, server.url, 'Ann', { prepare: wire.prepare });
  wire.refuse = true;
  await ann.say('Trouble one');
  await ann.said('Trouble one').getByText('Not sent.').waitFor();
  await ann.say('Trouble two');
  await ann.said('Trouble two').getByText('Not sent.').waitFor();
  wire.refuse = false;
  await ann.said('Trouble one').getByRole('button', { name: 'Retry' }).click();
  await until('it is sent', async () => (await ann.said('Trouble one').getAttribute('data-state')) === 'sent');
  await ann.said('Trouble two').getByRole('button', { name: 'Discard' }).click();
  await until('it is gone', async () => (await ann.said('Trouble two').count()) === 0);
  assert.deepEqual(ids, [ids[0], ids[1], ids[0]]);
  const reader = await Client.connect(server.url, 'Reader');
  await reader.join('lobby');
  const texts = (await reader.history('lobby')).map((message) => message.text);
  assert.equal(texts.filter((text) => text === 'Trouble one').length, 1);
  assert.ok(!texts.includes('Trouble two'));
  reader.close();
  await ann.close();
});

test('passing refusals and a lost answer are tried again by themselves, in order, once each', async () => {
  const wire = new Wire();
  let tries = 0;
  wire.toServer = ({ name, payload, ack }) => {
    if (name !== 'message:send' || payload.text !== 'Patient 1') return true;
    tries++;
    if (tries <= 2) wire.answer(ack, { ok: false, error: { code: tries === 1 ? 'unavailable' : 'rate_limited', message: '', retryAfterMs: 200 } });
    if (tries === 3) wire.swallow = `43${ack}[`; // stored, but its answer is lost and with it the connection
    return tries > 2;
  };
  wire.toPage = (text) => {
    if (!wire.swallow || !(text.startsWith(wire.swallow) || text.includes('Patient 1'))) return true;
    setTimeout(() => wire.page.close({ code: 4000 }), 20);
    return false;
  };
  const ann = await Person.enter(browser, server.url, 'Ann', { prepare: wire.prepare });
  for (const n of [1, 2, 3]) await ann.say(`Patient ${n}`);
  await until('the connection was cut', () => wire.connections > 1);
  wire.swallow = undefined;
  await until('all are sent', async () => (await ann.page.locator('[data-state="pending"]').count()) === 0);
  for (const n of [1, 2, 3]) await ann.sees(`Patient ${n}`);
  const reader = await Client.connect(server.url, 'Reader');
  await reader.join('lobby');
  const texts = (await reader.history('lobby')).map((message) => message.text).filter((text) => text?.startsWith('Patient'));
  assert.deepEqual(texts, ['Patient 1', 'Patient 2', 'Patient 3']);
  assert.ok(tries >= 3);
  reader.close();
  await ann.close();
});

test('a long outage fails nothing: also after a reload it is still trying, and Retry and Discard are there', async () => {
  const wire = new Wire();
  let down = true;
  const sent = [];
  wire.toServer = ({ name, payload, ack }) => {
    if (name !== 'message:send') return true;
    if (!down) return sent.push(payload.text);
    wire.answer(ack, { ok: false, error: { code: 'unavailable', message: '', retryAfterMs: 60_000 } });
    return false;
  };
  const ann = await Person.enter(browser, server.url, 'Ann', { prepare: wire.prepare });
  for (const n of [1, 2, 3]) await ann.say(`Stuck ${n}`);
  await ann.said('Stuck 1').getByText('Not sent yet.').waitFor();
  await ann.page.evaluate(() => {
    for (const [key, text] of Object.entries(localStorage)) {
      if (key.includes(':out/')) localStorage.setItem(key, JSON.stringify({ ...JSON.parse(text), at: JSON.parse(text).at - 600_000 }));
    }
  });
  await ann.page.reload();
  await ann.connected();
  for (const n of [1, 2, 3]) await ann.said(`Stuck ${n}`).getByText('Still trying.').waitFor();
  assert.equal(await ann.said('Stuck 1').getAttribute('data-state'), 'pending');
  await ann.said('Stuck 2').getByRole('button', { name: 'Discard' }).click();
  await until('it is gone', async () => (await ann.said('Stuck 2').count()) === 0);
  down = false;
  await ann.said('Stuck 1').getByRole('button', { name: 'Retry' }).click();
  await until('both are sent', async () => (await ann.page.locator('[data-state="pending"]').count()) === 0);
  assert.deepEqual(sent, ['Stuck 1', 'Stuck 3']);
  await ann.close();
});

test('after a restart of the server: the same guest, the history, and what was said meanwhile, once', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann of before');
  const bo = await Person.enter(browser, server.url, 'Bo');
  await ann.say('Before the restart');
  await bo.sees('Before the restart');
  const own = await ann.page.evaluate(() => JSON.parse(Object.entries(localStorage).find(([key]) => key.endsWith(':me'))[1]).id);
  await server.down();
  await ann.page.locator('[data-banner="connection"]').waitFor();
  await ann.say('While you were away 1');
  await ann.say('While you were away 2');
  assert.equal(await ann.said('While you were away 1').getAttribute('data-state'), 'pending');
  await server.up();
  await ann.page.getByRole('button', { name: 'Now', exact: true }).click({ timeout: 2000 }).catch(() => {}); // it may be quicker by itself
  await until('the banner goes', async () => (await ann.page.locator('[data-banner]').count()) === 0);
  await until('all are sent', async () => (await ann.page.locator('[data-state="pending"]').count()) === 0);
  for (const person of [ann, bo]) for (const text of ['Before the restart', 'While you were away 1', 'While you were away 2']) await person.sees(text);
  await ann.page.reload();
  await ann.sees('While you were away 2');
  await ann.sees('Before the restart');
  assert.equal(await ann.page.evaluate(() => JSON.parse(Object.entries(localStorage).find(([key]) => key.endsWith(':me'))[1]).id), own);
  await ann.page.locator('.me', { hasText: 'Ann of before' }).waitFor();
  const texts = await ann.texts();
  assert.ok(texts.indexOf('While you were away 1') < texts.indexOf('While you were away 2'), 'in the order in which they were written');
  await bo.close();
  await ann.close();
});

test('what was said offline survives a reload, and a draft too', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann');
  await ann.sees('Before the restart');
  let cut = true;
  await ann.page.routeWebSocket(/\/socket\.io\//, (page) => (cut ? page.close() : page.connectToServer()));
  await ann.page.route('**/socket.io/**', (route) => (cut ? route.abort() : route.continue()));
  await ann.page.reload();
  await ann.page.locator('[data-banner="connection"]').waitFor();
  cut = false;
  await ann.page.evaluate(() => window.dispatchEvent(new Event('online'))); // the network is back: at once
  await ann.connected();
  await ann.sees('Before the restart');
  cut = true;
  await server.down();
  await ann.page.locator('[data-banner="connection"]').waitFor();
  await ann.say('Said offline');
  await ann.composer.pressSequentially('Half a thou');
  await server.up();
  await ann.page.reload();
  await ann.page.locator('[data-banner="connection"]').waitFor();
  cut = false;
  await ann.page.evaluate(() => window.dispatchEvent(new Event('online')));
  await ann.connected();
  await ann.sees('Said offline');
  await until('it is sent', async () => (await ann.said('Said offline').getAttribute('data-state')) === 'sent');
  assert.equal(await ann.composer.inputValue(), 'Half a thou');
  await ann.close();
});

test('two clicks and an Enter make one message; Enter that ends a composition sends nothing', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann');
  await ann.composer.fill('Only once');
  await ann.page.evaluate(() => {
    const send = document.querySelector('button.send');
    send.click();
    send.click();
    document.querySelector('textarea.composer').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
  });
  await ann.sees('Only once');
  await ann.composer.fill('ちゅう');
  await ann.composer.evaluate((field) => field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })));
  assert.equal(await ann.composer.inputValue(), 'ちゅう');
  await ann.composer.fill('line one');
  await ann.composer.press('Shift+Enter');
  await ann.composer.pressSequentially('line two');
  await ann.composer.press('Enter');
  await until('both lines are one message', async () => (await ann.texts()).includes('line one\nline two'));
  assert.equal(await ann.said('Only once').count(), 1);
  await ann.close();
});
