// Nothing that people write is ever more than text: ten payloads as texts, names, room names and topics. And the content security policy.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, Person } from './browser.mjs';
import { Client } from './client.mjs';
import { Server, until } from './server.mjs';

const payloads = [
  '<script>window.hit=1</script>',
  '<img src=x onerror=window.hit=1>',
  '"><svg onload=window.hit=1>',
  "'-window.hit=1-'",
  '<iframe srcdoc="<script>parent.hit=1</script>">',
  'javascript:window.hit=1',
  '{@html "<b>x</b>"}{{window.hit=1}}${window.hit=1}',
  '<style>*{display:none}</style><link rel=stylesheet href=//x>',
  'https://example.com/"onmouseover="window.hit=1',
  '<a href="javascript:window.hit=1">click</a></p></div></main>',
];

let server, browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

test('ten payloads in texts, names, room names and topics: no script runs, no element comes of them', async () => {
  const ann = await Person.enter(browser, server.url, payloads[1]);
  await ann.page.locator('.me').getByText(payloads[1]).waitFor();
  for (const [i, payload] of payloads.entries()) {
    const writer = await Client.connect(server.url, payload);
    await writer.join('lobby');
    await writer.send('lobby', payload);
    const room = await writer.create(payload, { topic: payload });
    await writer.send(room.id, `In room ${i}`);
    await ann.said(payload).waitFor();
    assert.equal(await ann.said(payload).locator('.name').textContent(), payload);
    await ann.page.goto(`${server.url}#/r/${room.id}`);
    await ann.page.getByRole('button', { name: /^Join/ }).click();
    await ann.page.locator('header h1').getByText(payload, { exact: true }).waitFor();
    await ann.sees(`In room ${i}`);
    await ann.page.locator('aside.people').getByText(payload, { exact: true }).first().waitFor();
    await ann.room('lobby');
    writer.close();
  }
  await ann.page.keyboard.press('Control+k');
  await ann.page.locator('[role="option"]').getByText(payloads[0], { exact: true }).waitFor();
  await ann.page.keyboard.press('Escape');
  await ann.said(payloads[8]).getByRole('link').hover();
  const found = await ann.page.evaluate(() => ({
    hit: window.hit,
    foreign: document.querySelectorAll('#app script, #app img, #app iframe, #app style, #app link, #app b, #app svg[onload]').length,
    handlers: [...document.querySelectorAll('#app *')].flatMap((one) => [...one.attributes].filter((attribute) => attribute.name.startsWith('on')).map((attribute) => attribute.name)),
    links: [...document.querySelectorAll('p.text a')].map((one) => ({ href: one.href, rel: one.rel })),
  }));
  assert.equal(found.hit, undefined);
  assert.equal(found.foreign, 0);
  assert.deepEqual(found.handlers, []);
  assert.ok(found.links.length >= 1);
  for (const link of found.links) {
    assert.match(link.href, /^https:/);
    assert.match(link.rel, /noopener/);
  }
  await ann.close(); // and the policy was never violated
});

test('the policy forbids inline code, and the page does not need it', async () => {
  const answer = await fetch(server.url);
  const policy = answer.headers.get('content-security-policy');
  assert.match(policy, /script-src 'self'(;|$)/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.match(policy, /frame-ancestors 'none'/);
  const html = await answer.text();
  assert.doesNotMatch(html, /<style|style=|\son\w+=|<script(?![^>]*\ssrc=)/);
  const ann = await Person.enter(browser, server.url, 'Ann');
  await ann.page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.hit = 1';
    document.body.append(script);
  });
  assert.equal(await ann.page.evaluate(() => window.hit), undefined);
  assert.ok(await until('the violation is reported', () => ann.complaints.length > 0), 'the test would see a violation');
  ann.complaints.length = 0;
  await ann.close();
});
