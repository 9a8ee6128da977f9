// The page of examples/embed in headless Chromium: a message each way, a reload, a token that runs out, a kill -9.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "../../web/e2e/browser.mjs";
import { until } from "../server.mjs";
import { Example } from "./backend.mjs";

let example, browser;
before(async () => {
  example = await Example.start(-21); // by the 30 s of leeway a token is good for 9 s
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await example?.remove();
});

/** visit opens the page in a profile of its own and logs in. */
async function visit(user, password) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  const person = { page, errors: [], expired: 0, tokens: 0 };
  page.on("pageerror", (err) => person.errors.push(String(err)));
  page.on("request", (req) => { if (req.url() === example.url + "token") person.tokens++; });
  page.on("websocket", (ws) => ws.on("framereceived", ({ payload }) => {
    if (String(payload).startsWith('42["session:expired",')) person.expired++;
  }));
  await page.goto(example.url);
  await page.locator("[name=user]").fill(user);
  await page.locator("[name=password]").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator("#me").filter({ hasText: /./ }).waitFor();
  return person;
}

async function say(person, text) {
  await person.page.locator("#text").fill(text);
  await person.page.locator("#text").press("Enter");
}

async function sees(person, line) {
  await person.page.locator("#list li", { hasText: line }).first().waitFor();
  assert.deepEqual((await person.page.locator("#list li").allTextContents()).filter((l) => l === line), [line]);
}

test("a message goes both ways, a reload keeps the person, a token that has run out is renewed", async () => {
  const ada = await visit("ada", "lovelace");
  const bob = await visit("bob", "builder");
  assert.equal(await ada.page.locator("#me").textContent(), "Ada");
  await say(ada, "Hello <b>Bob</b>");
  await say(bob, "Hello Ada");
  for (const p of [ada, bob]) {
    await sees(p, "Ada: Hello <b>Bob</b>");
    await sees(p, "Bob: Hello Ada");
  }

  await ada.page.reload();
  await ada.page.locator("#me", { hasText: "Ada" }).waitFor();
  await sees(ada, "Bob: Hello Ada");
  await say(ada, "Still me");
  await sees(bob, "Ada: Still me");

  await until(() => bob.expired > 0 && ada.expired > 0, "the tokens run out", 60_000);
  await say(ada, "After the renewal");
  await say(bob, "Me too");
  for (const p of [ada, bob]) {
    await sees(p, "Ada: After the renewal");
    await sees(p, "Bob: Me too");
    assert.deepEqual(await p.page.locator("#list li").allTextContents(),
      ["Ada: Hello <b>Bob</b>", "Bob: Hello Ada", "Ada: Still me", "Ada: After the renewal", "Bob: Me too"]);
    assert.deepEqual(p.errors, []);
  }

  const asked = ada.tokens;
  await example.chat.down("SIGKILL");
  await say(ada, "Said while it was away");
  await example.chat.up();
  await sees(bob, "Ada: Said while it was away");
  await sees(ada, "Ada: Said while it was away");
  assert.ok(ada.tokens > asked, "no fresh token was asked for");
  for (const p of [ada, bob]) assert.deepEqual(p.errors, []);
});

test("who is logged out of the application is out of the chat when his token ends", async () => {
  const bob = await visit("bob", "builder");
  await bob.page.context().clearCookies();
  await bob.page.locator("[name=password]").waitFor({ timeout: 60_000 }); // the page has asked for a token, and went to the log-in
  assert.deepEqual(bob.errors, []);
});
