// Official clients through a balancer that sends every request to the next server: no sticky sessions. The two servers share a secret
// and nothing else, so each client's chat is that of the server which its session is on.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io as io40 } from "sio40";
import { io as io48 } from "sio48";
import { Person } from "./person.mjs";
import { startRoundRobin } from "./roundrobin.mjs";
import { Server, until } from "./server.mjs";

const flags = ["--secret", "the same secret on both", "--advertise", "127.0.0.1:PORT", "--ping-interval", "1s", "--drain", "2s"];
let servers, proxy;
before(async () => {
  servers = [await Server.start(...flags), await Server.start(...flags)];
  proxy = await startRoundRobin(servers.map((s) => s.port));
});
after(async () => {
  await proxy.close();
  for (const s of servers) await s.remove();
});

// count reads a metric of all servers.
async function count(name) {
  let sum = 0;
  for (const s of servers) {
    const text = await fetch(s.url + "/metrics").then((r) => r.text());
    sum += Number(new RegExp(`^hubbub_${name} (.*)$`, "m").exec(text)[1]);
  }
  return sum;
}

// chat makes a room, sends and receives, waits over some heartbeats, and pages.
async function chat(p) {
  const { room } = await p.ask("room:create", { clientId: crypto.randomUUID(), name: "forwarded" });
  await p.join(room.id);
  const texts = [];
  for (let i = 0; i < 40; i++) texts.push(`message ${i} é 漢 ${"x".repeat(i * 200)}`);
  await Promise.all(texts.slice(0, 20).map((t) => p.send(room.id, t)));
  await new Promise((resolve) => setTimeout(resolve, 2500));
  for (const t of texts.slice(20)) await p.send(room.id, t);
  await until(() => p.texts(room.id).length === 40, "40 messages");
  assert.deepEqual(p.texts(room.id), texts);
  assert.equal(p.sessions.length, 1, "the session was kept all along");
  const page = await p.ask("message:list", { roomId: room.id, limit: 50 });
  assert.deepEqual(page.messages.filter((m) => m.text).map((m) => m.text).slice(-40), texts);
}

for (const [version, io] of Object.entries({ "4.8": io48, "4.0": io40 })) {
  test(`${version}, polling only, through a round-robin balancer`, async () => {
    const before = await count("forwarded_total");
    const p = new Person(io, proxy.url, { transports: ["polling"] });
    await chat(p);
    assert.equal(p.socket.io.engine.transport.name, "polling");
    assert.ok((await count("forwarded_total")) - before > 20);
    p.close();
  });

  test(`${version}, upgrading, through a round-robin balancer`, async () => {
    for (let i = 0; i < 4; i++) {
      const p = new Person(io, proxy.url);
      await until(() => p.socket.connected && p.socket.io.engine.transport.name === "websocket", "the upgrade");
      await chat(p);
      p.close();
    }
  });
}

test("clients of a server that is stopped move to the other", async () => {
  assert.equal(await count("forwards_failed_total"), 0);
  const people = [];
  for (let i = 0; i < 8; i++) people.push(new Person(io48, proxy.url, i % 2 ? { transports: ["polling"] } : {}));
  await until(() => people.every((p) => p.sessions.length === 1), "the sessions");
  const [stopped] = servers;
  assert.equal(new Set(people.map((p) => p.log)).size, 2, "both servers had clients");
  proxy.without(stopped.port); // as a balancer does that sees /readyz
  await stopped.down("SIGTERM");
  await until(() => people.every((p) => p.socket.connected) && new Set(people.map((p) => p.log)).size === 1, "everybody is on the server that stays");
  const left = people.filter((p) => p.sessions.length > 1);
  assert.ok(left.length >= 2);
  for (const p of people) {
    await p.ask("room:list", {});
    p.close();
  }
});
