// Headless Chromium, and a person at a page of it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const usual = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome-stable', '/usr/bin/google-chrome', '/opt/google/chrome/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium'];

export async function launch(args = []) {
  const executablePath = process.env.HUBBUB_CHROMIUM ?? usual.find((path) => existsSync(path));
  assert.ok(executablePath, 'no Chromium found: set HUBBUB_CHROMIUM');
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return await chromium.launch({ executablePath, args: ['--disable-dev-shm-usage', ...asRoot, ...args] });
}

export class Person {
  /** open goes to the page in a browser profile of its own. prepare(page) comes before the page loads. */
  static async open(browser, url, { prepare, ...options } = {}) {
    const person = new Person();
    person.context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    person.page = await person.context.newPage();
    person.page.setDefaultTimeout(20_000);
    person.complaints = [];
    person.page.on('pageerror', (error) => person.complaints.push(`exception: ${error.stack ?? error}`));
    person.page.on('console', (message) => {
      // A server that is away on purpose is heard of by the console; everything else is a defect.
      if (message.type() === 'error' && !/ERR_CONNECTION|ERR_FAILED|ERR_EMPTY_RESPONSE|WebSocket connection to|status of (400|403|50\d)|Cross-Origin-Opener-Policy/.test(message.text())) person.complaints.push(message.text());
      else if (/Content.Security.Policy/i.test(message.text())) person.complaints.push(message.text());
    });
    await prepare?.(person.page);
    await person.page.goto(url);
    return person;
  }

  /** enter is a first visit: the name, and the lobby. */
  static async enter(browser, url, name, options) {
    const person = await Person.open(browser, url, options);
    await person.introduce(name);
    return person;
  }

  async introduce(name) {
    await this.page.locator('#name').fill(name);
    await this.page.keyboard.press('Enter');
    await this.composer.waitFor();
    await this.connected();
  }

  get composer() {
    return this.page.locator('textarea.composer');
  }

  get list() {
    return this.page.locator('[data-list]');
  }

  /** said finds messages with exactly this text. */
  said(text) {
    return this.page.locator('[data-message]').filter({ has: this.page.locator('p.text').getByText(text, { exact: true }) });
  }

  async connected() {
    await this.page.locator('.state.online').waitFor({ state: 'attached' });
  }

  async say(text) {
    await this.composer.fill(text);
    await this.composer.press('Enter');
  }

  /** sees waits for a message that is sent, and is there once. */
  async sees(text) {
    await this.said(text).first().waitFor();
    assert.equal(await this.said(text).count(), 1, `“${text}” is there more than once`);
  }

  async room(name) {
    await this.page.locator('nav.rooms a.room').filter({ hasText: name }).first().click();
  }

  /** texts are all messages on the page, from top to bottom. */
  texts() {
    return this.page.locator('[data-message] p.text').allTextContents();
  }

  /** scroll puts the list at a distance from its top. */
  scroll(top) {
    return this.list.evaluate((list, to) => { list.scrollTop = to < 0 ? list.scrollHeight : to; }, top);
  }

  /** close ends the visit; the page must have had nothing to complain of. */
  async close() {
    await this.context.close();
    assert.deepEqual(this.complaints, []);
  }
}
