// What the page shows of itself: banners, themes, the phone, the keyboard, private rooms.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Person } from './browser.mjs';
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

test('reconnecting: a countdown and Now; the text being read does not move', async () => {
  const wire = new Wire();
  const ann = await Person.enter(browser, server.url, 'Ann', { prepare: wire.prepare });
  for (let i = 1; i <= 40; i++) await ann.say(`Line ${i}`);
  await ann.sees('Line 40');
  await ann.scroll(200);
  const top = () => ann.said('Line 12').evaluate((one) => one.getBoundingClientRect().top);
  const before = await top();
  const dots = () => ann.page.locator('aside.people .dot').count();
  await until('she is here', async () => (await dots()) === 1);
  await server.down();
  const banner = ann.page.locator('[data-banner="connection"]');
  await banner.waitFor();
  await banner.getByText(/Reconnecting in \d+ s/).waitFor();
  assert.ok(Math.abs((await top()) - before) <= 1, 'it did not move');
  await ann.page.locator('.state').getByText('Not connected').waitFor();
  assert.equal(await dots(), 0, 'nobody is said to be here');
  await server.up();
  await until('Now brings it back, unless it comes by itself', async () => {
    await ann.page.getByRole('button', { name: 'Now', exact: true }).click({ timeout: 300 }).catch(() => {});
    return (await banner.count()) === 0;
  });
  assert.ok(Math.abs((await top()) - before) <= 1, 'nor back');
  await until('she is here again', async () => (await dots()) === 1);
  await ann.close();
});

test('the engines: paused history, no log, no bus, each in words, and gone when it is over', async () => {
  const wire = new Wire();
  const ann = await Person.enter(browser, server.url, 'Ann', { prepare: wire.prepare });
  const fine = { log: 'ok', bus: 'ok', store: 'ok' };
  for (const [status, words] of [
    [{ ...fine, store: 'behind' }, 'Older messages are catching up. New ones are safe.'],
    [{ ...fine, store: 'down' }, 'Older messages are catching up. New ones are safe.'],
    [{ ...fine, log: 'down' }, 'New messages can not be taken right now.'],
    [{ ...fine, bus: 'down' }, 'Messages may come a few seconds late.'],
    [{ ...fine, draining: true }, 'The server is about to restart.'],
  ]) {
    wire.event('status', status);
    await ann.page.locator('.banner').getByText(words).waitFor();
    wire.event('status', fine);
    await until('the banner goes', async () => (await ann.page.locator('.banner').count()) === 0);
  }
  await ann.close();
});

test('on a phone one pane at a time, with the back button of the browser, and nothing wider than the screen', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann', { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await ann.say('x'.repeat(300));
  const visible = async () => ({ rooms: await ann.page.locator('nav.rooms').isVisible(), talk: await ann.page.locator('main.talk').isVisible() });
  assert.deepEqual(await visible(), { rooms: false, talk: true });
  await ann.page.getByRole('button', { name: 'Back to the rooms' }).click();
  assert.deepEqual(await visible(), { rooms: true, talk: false });
  await ann.room('lobby');
  assert.deepEqual(await visible(), { rooms: false, talk: true });
  await ann.page.getByRole('button', { name: /^People/ }).click();
  await ann.page.locator('aside.people').waitFor();
  assert.deepEqual(await visible(), { rooms: false, talk: false });
  await ann.page.goBack();
  assert.deepEqual(await visible(), { rooms: false, talk: true });
  assert.ok(await ann.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('#app *')].every((one) => one.closest('.hear-only') || one.getBoundingClientRect().right <= innerWidth + 1)));
  await ann.close();
});

test('light, dark and the system, kept over a reload and there before the first paint', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann', { colorScheme: 'light' });
  const lightness = () => ann.page.evaluate(() => Number(/[\d.]+/.exec(getComputedStyle(document.body).backgroundColor)[0]));
  const light = await lightness();
  await ann.page.locator('.me').click();
  await ann.page.getByLabel('Dark').check();
  assert.ok((await lightness()) < light);
  await ann.page.reload({ waitUntil: 'commit' });
  await ann.page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  await ann.composer.waitFor();
  await ann.page.emulateMedia({ colorScheme: 'dark' });
  await ann.page.locator('.me').click();
  await ann.page.getByLabel('As the system').check();
  assert.ok((await lightness()) < light);
  await ann.close();
});

test('every text can be read in both themes: 4.5 to 1, and controls 3 to 1', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const ann = await Person.enter(browser, server.url, 'Ann', { colorScheme });
    const poor = await ann.page.evaluate(() => {
      const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const probe = document.createElement('span');
      document.body.append(probe);
      const luminance = (name, hue) => {
        probe.className = hue === undefined ? '' : 'hued';
        if (hue !== undefined) probe.style.setProperty('--hue', hue);
        probe.style.color = `var(--${name})`;
        canvas.fillStyle = getComputedStyle(probe).color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const out = [];
      const check = (front, back, least, hue) => {
        const is = ratio(luminance(front, hue), luminance(back, hue));
        if (is < least) out.push(`${front} on ${back}${hue === undefined ? '' : ` at ${hue}`}: ${is.toFixed(2)}`);
      };
      for (const surface of ['surface-1', 'surface-2', 'surface-3']) for (const text of ['text', 'text-soft', 'accent-text']) check(text, surface, 4.5);
      for (const [text, back] of [['on-accent', 'accent'], ['on-accent', 'accent-strong'], ['danger', 'danger-wash'], ['danger', 'surface-2'], ['amber', 'amber-wash'], ['text', 'accent-wash'], ['accent-text', 'accent-wash'], ['accent-text', 'danger-wash']]) check(text, back, 4.5);
      for (const [control, back] of [['control-line', 'surface-2'], ['here', 'surface-1']]) check(control, back, 3);
      for (let hue = 0; hue < 360; hue += 15) {
        check('name', 'surface-2', 4.5, hue);
        check('face-text', 'face', 4.5, hue);
      }
      return out;
    });
    assert.deepEqual(poor, [], colorScheme);
    await ann.close();
  }
});

test('by keyboard: the switcher, the list of keys, messages as one Tab stop, regions', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann');
  for (const n of [1, 2, 3]) await ann.say(`Key ${n}`);
  await ann.sees('Key 3');
  await ann.page.waitForFunction(() => !document.querySelector('[data-state="pending"]')); // what can be done with a message comes with its seq
  const focused = () => ann.page.evaluate(() => document.activeElement?.querySelector('p.text')?.textContent ?? document.activeElement?.className ?? '');
  assert.equal(await ann.page.locator('[data-message][tabindex="0"]').count(), 1);
  await ann.composer.press('ArrowUp');
  assert.equal(await focused(), 'Key 3');
  await ann.page.keyboard.press('ArrowUp');
  assert.equal(await focused(), 'Key 2');
  assert.equal(await ann.page.locator('[data-message][tabindex="0"]').count(), 1);
  await ann.page.keyboard.press('Enter');
  assert.match(await focused(), /icon-button/);
  await ann.page.keyboard.press('Escape');
  assert.equal(await focused(), 'Key 2');
  await ann.page.keyboard.press('Escape');
  assert.match(await focused(), /composer/);
  await ann.page.keyboard.press('Control+k');
  await ann.page.getByRole('combobox').fill('lob');
  await ann.page.keyboard.press('Enter');
  await ann.page.locator('header h1', { hasText: 'lobby' }).waitFor();
  assert.equal(await ann.page.locator('dialog[open]').count(), 0);
  await ann.page.keyboard.press('F6');
  assert.doesNotMatch(await focused(), /composer/);
  await ann.page.keyboard.press('Control+/');
  await ann.page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await ann.page.keyboard.press('Escape');
  await ann.close();
});

test('what is new is read out, history is not', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann');
  const log = ann.page.locator('[role="log"]');
  await ann.sees('Key 3');
  assert.equal(await log.textContent(), '');
  const bo = await Person.enter(browser, server.url, 'Bo');
  await bo.say('Hear this');
  await log.getByText('Bo: Hear this').waitFor({ state: 'attached' });
  await bo.close();
  await ann.close();
});

test('a private room: made, invited to by id, joined, left; then nothing of it is on the page', async () => {
  const ann = await Person.enter(browser, server.url, 'Ann');
  const bo = await Person.enter(browser, server.url, 'Bo');
  await bo.page.locator('.me').click();
  const id = await bo.page.locator('#own-id').inputValue();
  await bo.page.keyboard.press('Escape');
  await ann.page.getByRole('button', { name: 'Make a room' }).click();
  await ann.page.locator('#room-name').fill('Secret garden');
  await ann.page.getByLabel(/^Private/).check();
  await ann.page.getByRole('button', { name: 'Make room' }).click();
  await ann.page.locator('header h1', { hasText: 'Secret garden' }).waitFor();
  await ann.say('Psst');
  assert.equal(await bo.page.locator('nav.rooms').getByText('Secret garden').count(), 0);
  await ann.page.locator('main.talk').getByRole('button', { name: 'Invite somebody' }).click();
  await ann.page.locator('#invitee').fill(id);
  await ann.page.keyboard.press('Enter');
  await ann.page.getByText('Invited.').waitFor();
  await ann.page.keyboard.press('Escape');
  await bo.room('Secret garden');
  await bo.page.getByRole('button', { name: 'Join Secret garden' }).click();
  await bo.sees('Psst');
  await bo.page.getByRole('button', { name: 'About this room' }).click();
  await bo.page.getByRole('button', { name: 'Leave this room' }).click();
  await bo.page.getByRole('button', { name: 'Leave for good' }).click();
  await until('it is gone', async () => (await bo.page.locator('nav.rooms').getByText('Secret garden').count()) === 0);
  await ann.say('Only for me');
  await ann.sees('Only for me');
  assert.doesNotMatch(await bo.page.content(), /Psst|Only for me/);
  await bo.close();
  await ann.close();
});
