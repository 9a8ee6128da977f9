// The Node server, asked by the official client: it says and does what docs/protocol.md says, as far as the bench needs it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client";

const main = fileURLToPath(new URL("main.mjs", import.meta.url));
const sockets = [];
let server, url;

before(async () => {
  server = spawn(process.execPath, [main, "--ping-interval", "100", "--ping-timeout", "5000"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface(server.stdout), "line");
  const told = JSON.parse(line);
  assert.equal(told.pid, server.pid);
  url = told.url;
});

after(async () => {
  for (const s of sockets) s.close();
  const exited = once(server, "exit");
  server.kill("SIGTERM");
  assert.deepEqual(await exited, [0, null]);
});

// enter connects a socket and waits for its session.
async function enter(name, options = {}) {
  const s = io(url, { forceNew: true, transports: ["websocket"], auth: { name }, ...options });
  sockets.push(s);
  const [session] = await once(s, "session");
  return { s, session };
}

const ask = (s, event, payload) => s.timeout(5000).emitWithAck(event, payload);

async function room(s, name = "lobby") {
  const { ok, data } = await ask(s, "room:create", { clientId: "c1", name });
  assert.equal(ok, true);
  return data.room.id;
}

test("a session names the guest", async () => {
  const { session } = await enter("Ada");
  assert.equal(session.user.name, "Ada");
  assert.equal(session.user.guest, true);
  assert.deepEqual(session.rooms, []);
  assert.ok(session.log && Math.abs(session.serverTime - Date.now()) < 60_000);
});

test("everybody in the room hears a message once, the sender too, in one order", async () => {
  const [a, b, outside] = await Promise.all([enter("Ada"), enter("Bo"), enter("Cy")]);
  const roomId = await room(a.s);
  const joined = await ask(b.s, "room:join", { roomId, clientId: "c2" });
  assert.deepEqual({ ...joined.data, room: joined.data.room.id }, { room: roomId, members: [], messages: [], hasMore: false, asOf: 0 });
  assert.equal(joined.data.room.members, 2);

  const heard = [a, b, outside].map(({ s }) => {
    const list = [];
    s.on("message:new", (m) => list.push(m));
    return list;
  });
  const acks = await Promise.all([...Array(20).keys()].map((i) => ask(i % 2 ? a.s : b.s, "message:send", { roomId, clientId: `m${i}`, text: `t${i}` })));
  // An ack comes after the socket's own messages; a list comes after everything that was sent before it.
  await Promise.all([a, b].map(({ s }) => ask(s, "message:list", { roomId })));
  assert.equal(heard[0].length, 20);
  assert.deepEqual(heard[1], heard[0]);
  assert.deepEqual(heard[2], []);
  for (const [i, ack] of acks.entries()) {
    const m = heard[0].find((m) => m.clientId === `m${i}`);
    assert.deepEqual(ack, { ok: true, data: { id: m.id, seq: m.seq, at: m.at } });
    assert.deepEqual([m.roomId, m.text, m.user], [roomId, `t${i}`, (i % 2 ? a : b).session.user]);
  }
  assert.ok(heard[0].every((m, i) => i === 0 || m.seq > heard[0][i - 1].seq));
});

test("a list holds the last 100", async () => {
  const { s } = await enter("Ada");
  const roomId = await room(s);
  for (let i = 0; i < 103; i++) s.emit("message:send", { roomId, clientId: `m${i}`, text: `t${i}` });
  const all = (await ask(s, "message:list", { roomId, limit: 500 })).data;
  assert.deepEqual([all.messages.length, all.messages[0].text, all.messages[99].text, all.hasMore], [100, "t3", "t102", false]);
  const few = (await ask(s, "message:list", { roomId, limit: 2 })).data;
  assert.deepEqual([few.messages.map((m) => m.text), few.hasMore], [["t101", "t102"], true]);
});

test("who has left hears and says no more", async () => {
  const [a, b] = await Promise.all([enter("Ada"), enter("Bo")]);
  const roomId = await room(a.s);
  await ask(b.s, "room:join", { roomId });
  assert.deepEqual(await ask(b.s, "room:leave", { roomId }), { ok: true, data: {} });
  b.s.on("message:new", () => assert.fail("heard after leaving"));
  assert.equal((await ask(a.s, "message:send", { roomId, clientId: "m", text: "t" })).ok, true);
  const refused = await ask(b.s, "message:send", { roomId, clientId: "m", text: "t" });
  assert.equal(refused.error.code, "forbidden");
});

test("bad requests are refused with a code, and the server lives", async () => {
  const { s } = await enter("Ada");
  const roomId = await room(s);
  const cases = [
    ["room:create", {}, "invalid"],
    ["room:create", null, "invalid"],
    ["room:join", { roomId: "none" }, "not_found"],
    ["room:join", { roomId: s.id }, "not_found"], // the socket's own room is not a chat room
    ["room:leave", { roomId: "none" }, "not_found"],
    ["message:send", { roomId: "none", text: "t" }, "not_found"],
    ["message:send", { roomId, text: 7 }, "invalid"],
    ["message:list", {}, "not_found"],
  ];
  for (const [event, payload, code] of cases) {
    const got = await ask(s, event, payload);
    assert.equal(got.ok, false, event);
    assert.equal(got.error.code, code, event);
  }
});

test("a client that begins with polling is upgraded, and heartbeats are asked for", async () => {
  const { s } = await enter("Ada", { transports: ["polling", "websocket"] });
  if (s.io.engine.transport.name !== "websocket") await once(s.io.engine, "upgrade");
  await once(s.io.engine, "heartbeat");
  const roomId = await room(s);
  assert.equal((await ask(s, "message:send", { roomId, clientId: "m", text: "t" })).ok, true);
});

test("flags that are none end it with one sentence", async () => {
  for (const flag of [["--port", "many"], ["--nonsense"]]) {
    const child = spawn(process.execPath, [main, ...flag], { stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    child.stderr.on("data", (d) => (text += d));
    const [code] = await once(child, "close");
    assert.equal(code, 1);
    assert.match(text, /^bench\/node: .*\n$/);
  }
});
