// Where the page comes from: plain http from a name, a path prefix, an address that is not allowed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Person } from './browser.mjs';
import { Proxy } from './proxy.mjs';
import { Server, until } from './server.mjs';

let server, browser;
before(async () => {
  server = await Server.start({ host: '0.0.0.0' });
  browser = await launch(['--host-resolver-rules=MAP chat.test 127.0.0.1']);
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

test('case 11: over plain http from a name everything works', async () => {
  const ann = await Person.enter(browser, `http://chat.test:${server.port}/`, 'Ann');
  assert.equal(await ann.page.evaluate(() => isSecureContext), false);
  assert.equal(await ann.page.evaluate(() => typeof crypto.randomUUID), 'undefined');
  await ann.say('Sent from a name');
  await ann.sees('Sent from a name');
  await until('it is sent', async () => (await ann.said('Sent from a name').getAttribute('data-state')) === 'sent');
  await ann.said('Sent from a name').hover();
  await ann.said('Sent from a name').getByRole('button', { name: 'Copy link' }).click();
  await ann.page.getByText('Link copied').waitFor();
  await ann.composer.fill('');
  await ann.composer.press('Control+v');
  assert.match(await ann.composer.inputValue(), new RegExp(`^http://chat\\.test:${server.port}/#/r/lobby/m/\\d+$`));
  await ann.composer.fill('');
  await ann.page.getByRole('button', { name: 'Make a room' }).click();
  await ann.page.locator('#room-name').fill('Office');
  await ann.page.keyboard.press('Enter');
  await ann.page.locator('header h1', { hasText: 'Office' }).waitFor();
  await ann.say('A room of our own');
  await ann.sees('A room of our own');
  await ann.close();
});

test('case 14: under a path prefix page, socket, permalink and reload work', async () => {
  const proxy = await Proxy.start(server.port, { prefix: '/chat' });
  try {
    const ann = await Person.enter(browser, proxy.url, 'Ann');
    await ann.say('Under a prefix');
    await ann.sees('Under a prefix');
    await ann.said('Under a prefix').hover();
    await ann.said('Under a prefix').getByRole('button', { name: 'Copy link' }).click();
    const seq = await until('the link', () => ann.page.evaluate(() => document.querySelector('.notice')?.textContent?.includes('copied') && 1));
    assert.ok(seq);
    await ann.page.reload();
    await ann.sees('Under a prefix');
    await ann.page.goto(`${proxy.url}#/r/lobby`);
    await ann.sees('Under a prefix');
    assert.ok(await ann.page.evaluate(() => performance.getEntriesByType('resource').every((one) => new URL(one.name).pathname.startsWith('/chat/'))), 'every address is under the prefix');
    await ann.close();
  } finally {
    await proxy.stop();
  }
});

test('case 9: behind a proxy that rewrites Host the page says that this address is not allowed, and stops trying', async () => {
  const proxy = await Proxy.start(server.port, { rewriteHost: true });
  try {
    let tries = 0;
    const ann = await Person.open(browser, proxy.url, { prepare: (page) => page.on('request', (request) => (tries += Number(request.url().includes('transport=polling')))) });
    await ann.page.locator('#name').fill('Ann');
    await ann.page.keyboard.press('Enter');
    await ann.page.getByText('may not be used to chat here').waitFor();
    const before = tries;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.equal(tries, before, 'it does not reconnect for ever');
    await ann.close();
  } finally {
    await proxy.stop();
  }
});

test('guests may be switched off: the page says so', async () => {
  const closed = await Server.start({ flags: ['--guests=false'] });
  try {
    const ann = await Person.open(browser, closed.url);
    await ann.page.locator('#name').fill('Ann');
    await ann.page.keyboard.press('Enter');
    await ann.page.getByText('Guests are not let in here').waitFor();
    await ann.close();
  } finally {
    await closed.remove();
  }
});

test('a session that has ended: said once, and one may go on as a new guest', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann');
  await ann.page.evaluate(() => {
    const key = Object.keys(localStorage).find((one) => one.endsWith(':token'));
    localStorage.setItem(key, `${localStorage.getItem(key).slice(0, -6)}AAAAAA`);
  });
  await ann.page.reload();
  await ann.page.getByText('Your session has ended').waitFor();
  assert.equal(await ann.page.locator('#name').inputValue(), 'Ann');
  await ann.page.keyboard.press('Enter');
  await ann.composer.waitFor();
  await ann.sees('Sent from a name');
  await ann.close();
});
