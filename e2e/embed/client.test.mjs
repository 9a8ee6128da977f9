// The back end of examples/embed, and its chat.js, with the official client in Node: what holds without a browser.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { io } from "sio48";
import { connect, newId } from "../../examples/embed/chat.js";
import { pause, until } from "../server.mjs";
import { Example } from "./backend.mjs";

let example;
before(async () => {
  globalThis.io = io; // as the page's script tag does
  example = await Example.start(600);
});
after(() => example.remove());

/** enter is a logged-in person at the example's page, without a page. */
async function enter(user, password) {
  const { cookie } = await example.logIn(user, password);
  const texts = [];
  const socket = connect(example.chat.url, async () => (await example.token(cookie)).token ?? "");
  const person = { socket, texts, sessions: [] };
  socket.on("message:new", (m) => texts.push(`${m.user.name}: ${m.text}`));
  socket.on("session", async (s) => {
    person.sessions.push(s);
    person.page = (await socket.enter("lobby", s)) ?? person.page;
  });
  await until(() => person.page, `${user} is in the lobby`);
  return person;
}

const say = (person, text) => person.socket.ask("message:send", { roomId: "lobby", clientId: newId(), text });

test("only who is logged in gets a token, for himself", async () => {
  assert.equal((await example.token()).status, 401);
  assert.equal((await example.token("session=00")).status, 401);
  assert.equal((await example.logIn("ada", "builder")).status, 401);
  assert.equal((await example.logIn("nobody", "lovelace")).status, 401);
  const { status, cookie } = await example.logIn("ada", "lovelace");
  assert.equal(status, 303);
  const [head, claims] = (await example.token(cookie)).token.split(".").map((part) => Buffer.from(part, "base64url").toString());
  assert.equal(JSON.parse(head).alg, "HS256");
  assert.equal(JSON.parse(claims).sub, "ada");
  assert.ok(JSON.parse(claims).exp > Date.now() / 1000 + 500);
});

test("nobody enters without a token, or with one of another key", async () => {
  const head = Buffer.from('{"alg":"HS256"}').toString("base64url");
  const forged = `${head}.${Buffer.from('{"sub":"ada","exp":9999999999}').toString("base64url")}.AAAA`;
  for (const auth of [{ name: "Ada" }, { token: "" }, { token: forged }]) {
    const socket = io(example.chat.url, { auth, forceNew: true });
    const err = await new Promise((resolve) => socket.once("connect_error", resolve));
    assert.equal(err.data.code, "unauthorized");
    socket.close();
  }
});

/** expired is a token as the back end mints them, a minute after its end: beyond the leeway. */
function expired(user, name) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, name, exp: Math.floor(Date.now() / 1000) - 60 })}`;
  return `${text}.${createHmac("sha256", readFileSync(example.key, "utf8").trim()).update(text).digest("base64url")}`;
}

test("a token that has run out is refused, at first and after a kill -9; a fresh one gets in", async () => {
  const { cookie } = await example.logIn("ada", "lovelace");
  const refusals = [], users = [];
  let stale = true;
  const socket = connect(example.chat.url, async () => (stale ? expired("ada", "Ada") : (await example.token(cookie)).token));
  socket.on("connect_error", (err) => { if (err.data) refusals.push(err.data.code); }); // without data: the server is away
  socket.on("session", (s) => users.push(s.user.id));
  await until(() => refusals.length === 1, "the refusal");
  assert.deepEqual(users, []);
  stale = false;
  await until(() => users.length === 1, "the session");
  stale = true;
  await example.chat.down("SIGKILL");
  await example.chat.up();
  await until(() => refusals.length === 2, "the refusal after the restart");
  assert.equal(users.length, 1);
  stale = false;
  await until(() => users.length === 2, "the session after the restart");
  assert.deepEqual([refusals, users], [["unauthorized", "unauthorized"], ["ada", "ada"]]);
  socket.close();
});

test("ids for requests are UUIDs of version 7, each another", () => {
  const ids = Array.from({ length: 1000 }, newId);
  assert.equal(new Set(ids).size, 1000);
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.ok(Math.abs(parseInt(id.slice(0, 13).replace("-", ""), 16) - Date.now()) < 60_000);
  }
});

test("two people talk, through a restart of everything", async () => {
  const ada = await enter("ada", "lovelace");
  const bob = await enter("bob", "builder");
  assert.deepEqual(ada.sessions[0].user, { id: "ada", name: "Ada", guest: false });
  await say(ada, "Hello");
  await say(bob, "Hi");
  for (const p of [ada, bob]) await until(() => p.texts.join() === "Ada: Hello,Bob: Hi", "both lines");
  await example.chat.down("SIGKILL");
  const waits = say(ada, "Said while it was away");
  await pause(500);
  await example.chat.up();
  await waits;
  for (const p of [ada, bob]) {
    await until(() => p.texts.length >= 3, "the third line");
    assert.deepEqual(p.texts, ["Ada: Hello", "Bob: Hi", "Ada: Said while it was away"]);
  }
  const again = await enter("ada", "lovelace");
  assert.equal(again.sessions[0].user.id, "ada");
  assert.deepEqual(again.page.messages.map((m) => m.text), ["Hello", "Hi", "Said while it was away"]);
  for (const p of [ada, bob, again]) p.socket.close();
  await pause(200);
  assert.ok(!ada.socket.connected && !ada.socket.active, "a socket that was closed on purpose comes back");
});
