// Reports from the field that need an official client: see the comments.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { io as io40 } from "sio40";
import { io as io48 } from "sio48";
import { Person } from "./person.mjs";
import { startProxy } from "./proxy.mjs";
import { Server, pause, until } from "./server.mjs";

let server;
before(async () => (server = await Server.start()));
after(() => server.remove());

// A guest whose program repeats one constant auth stays the same person, and his retried message is stored once.
test("4.8 with a constant name and retries, cut between append and ack", async () => {
  const proxy = await startProxy(server.port);
  const kim = new Person(io48, proxy.url, { auth: { name: "Kim" }, retries: 3, ackTimeout: 4000, transports: ["websocket"] });
  const { room } = await kim.ask("room:create", { clientId: crypto.randomUUID(), name: "mine", private: true });
  const who = kim.user.id;
  proxy.swallow = true;
  const sent = kim.send(room.id, "once");
  await pause(500); // the server has it; its ack is swallowed
  proxy.cut();
  proxy.swallow = false;
  await sent;
  assert.ok(kim.sessions.length > 1);
  assert.equal(kim.user.id, who);
  const page = await kim.ask("message:list", { roomId: room.id });
  assert.deepEqual(page.messages.map((m) => m.text), ["once"]);
  kim.close();
  await proxy.close();
});

test("4.0 carries the token of session into the next attempt and stays the same person", async () => {
  const proxy = await startProxy(server.port);
  const kim = new Person(io40, proxy.url, { name: "Kim", transports: ["websocket"] });
  const { room } = await kim.ask("room:create", { clientId: crypto.randomUUID(), name: "mine", private: true });
  const who = kim.user.id;
  const id = crypto.randomUUID();
  proxy.swallow = true;
  kim.socket.emit("message:send", { roomId: room.id, clientId: id, text: "once" }, () => {});
  await pause(500);
  proxy.cut();
  proxy.swallow = false;
  await until(() => kim.sessions.length > 1, "the return");
  await kim.send(room.id, "once", id);
  assert.equal(kim.user.id, who);
  assert.equal((await kim.ask("message:list", { roomId: room.id })).messages.length, 1);
  kim.close();
  await proxy.close();
});

// The README's own code through a time in which the log refuses: every send is there, once, in order.
test("the README's code survives refusals", async () => {
  const own = await Server.start();
  try {
    await own.down("SIGTERM");
    await own.up("--reserve-bytes", String(1e15)); // the disk is "full": sends are unavailable
    const code = readFileSync(new URL("../README.md", import.meta.url), "utf8").match(/```js\n([\s\S]*?)```/)[1];
    const setup = code.slice(0, code.indexOf("const { asOf }")).replace(/^import .*$/m, "").replace("http://localhost:3001", own.url);
    const { ask, socket } = new Function("io", `${setup}; return { ask, socket };`)(io48);
    const joined = ask("room:join", { roomId: "lobby" });
    await pause(1500);
    const codes = [];
    socket.onAnyOutgoing(() => codes.push(1));
    await own.down("SIGTERM");
    await own.up();
    await joined;
    for (let i = 0; i < 20; i++) {
      if (i === 5) {
        await own.down("SIGTERM");
        await own.up("--reserve-bytes", String(1e15));
        setTimeout(async () => {
          await own.down("SIGTERM");
          await own.up();
        }, 3000);
      }
      await ask("message:send", { roomId: "lobby", clientId: crypto.randomUUID(), text: `m${i}` });
    }
    assert.ok(codes.length > 21, "nothing was refused or repeated");
    const page = await ask("message:list", { roomId: "lobby" });
    assert.deepEqual(page.messages.map((m) => m.text), Array.from({ length: 20 }, (_, i) => `m${i}`));
    socket.disconnect();
  } finally {
    await own.remove();
  }
});

// An expired token is refused once, not in a loop; one that is a little early is let in.
test("tokens at the edge of their time", async () => {
  const { execFileSync } = await import("node:child_process");
  const bin = process.env.HUBBUB_BIN ?? new URL("../hubbub", import.meta.url).pathname;
  const token = execFileSync(bin, ["token", "-user", "ada", "-name", "Ada", "-data", server.dir, "-ttl", "2s"]).toString().trim();
  const ada = new Person(io48, server.url, { auth: { token }, transports: ["websocket"] });
  await until(() => ada.user, "the session");
  assert.deepEqual(ada.user, { id: "ada", name: "Ada", guest: false });
  ada.close();
  const errors = [];
  const bad = new Person(io48, server.url, { auth: { token: token.slice(0, -3) }, transports: ["websocket"] });
  bad.socket.on("connect_error", (e) => errors.push(e.data));
  await until(() => errors.length > 0, "the refusal");
  await pause(1500);
  assert.equal(errors.length, 1);
  assert.equal(errors[0].code, "unauthorized");
  bad.close();
});

test("the client bundle is served to other pages", async () => {
  const res = await fetch(`${server.url}/socket.io/socket.io.js`);
  assert.equal(res.status, 200);
  assert.match(res.headers.get("content-type"), /javascript/);
  assert.match(await res.text(), /Socket\.IO v4\.8\.4/);
});
