// The back end of examples/embed, and its chat.js, with the official client in Node: what holds without a browser.
import assert from "node:assert/strict";
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
