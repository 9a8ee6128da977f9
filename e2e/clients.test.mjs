// Official clients against the product: two versions, three ways of transport, and what happens over a restart.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io as io40 } from "sio40";
import { io as io48 } from "sio48";
import { Person } from "./person.mjs";
import { Server, until } from "./server.mjs";

let server;
before(async () => (server = await Server.start()));
after(() => server.remove());

const versions = { "4.8": io48, "4.0": io40 };
const ways = { "polling only": { transports: ["polling"] }, "websocket only": { transports: ["websocket"] }, upgrade: {} };

for (const [version, io] of Object.entries(versions)) {
  for (const [way, options] of Object.entries(ways)) {
    test(`${version}, ${way}: join, send with ack, receive, list`, async () => {
      const ada = new Person(io, server.url, { ...options, name: "Ada" });
      const bob = new Person(io, server.url, { ...options, name: "Bob" });
      const { room } = await ada.ask("room:create", { clientId: crypto.randomUUID(), name: `${version} ${way}` });
      assert.equal(room.name, `${version} ${way}`);
      const joined = await bob.join(room.id);
      assert.equal(joined.room.id, room.id);
      assert.deepEqual(joined.members.map((m) => m.name).sort(), ["Ada", "Bob"]);
      if (way === "upgrade") await until(() => ada.socket.io.engine.transport.name === "websocket", "the upgrade");
      const texts = [];
      for (let i = 0; i < 40; i++) texts.push(`message ${i} é 漢 ${"x".repeat(i * 50)}`);
      const acks = await Promise.all(texts.map((t) => ada.send(room.id, t)));
      assert.equal(new Set(acks.map((a) => a.id)).size, 40);
      assert.ok(acks.every((a) => a.at > 1.6e12));
      for (const p of [ada, bob]) {
        await until(() => p.texts(room.id).length === 40, "40 messages");
        assert.deepEqual(p.texts(room.id), texts);
      }
      const page = await bob.ask("message:list", { roomId: room.id, limit: 25 });
      assert.deepEqual(page.messages.map((m) => m.text), texts.slice(15));
      assert.equal(page.hasMore, true);
      const older = await bob.ask("message:list", { roomId: room.id, before: page.messages[0].seq, limit: 25 });
      assert.deepEqual(older.messages.map((m) => m.text), texts.slice(0, 15));
      assert.equal(older.hasMore, false);
      const seqs = bob.got.filter((e) => e.seq).map((e) => e.seq);
      assert.deepEqual(seqs, seqs.toSorted((a, b) => a - b));
      await assert.rejects(ada.ask("no:such", {}), { code: "invalid" });
      ada.close();
      bob.close();
    });
  }

  test(`${version}: resumes after a kill and a restart`, async () => {
    const own = await Server.start();
    try {
      const ada = new Person(io, own.url, { reconnectionDelay: 2500, reconnectionDelayMax: 2500, randomizationFactor: 0, transports: ["websocket"] });
      const bob = new Person(io, own.url, { transports: ["websocket"], name: "Bob" });
      const { room } = await ada.ask("room:create", { clientId: crypto.randomUUID(), name: "resumed" });
      ada.since[room.id] = (await ada.ask("room:open", { roomId: room.id })).asOf;
      await bob.join(room.id);
      await bob.send(room.id, "before");
      await until(() => ada.texts(room.id).length === 1, "the first message");
      const who = ada.user.id;
      ada.socket.io.engine.close();
      await until(() => !ada.socket.connected, "the disconnect");
      await bob.send(room.id, "meanwhile 1");
      await own.down("SIGKILL");
      await own.up();
      await until(() => bob.socket.connected && bob.sessions.length > 1, "Bob's return");
      await bob.send(room.id, "meanwhile 2");
      await until(() => ada.sessions.length > 1, "Ada's return");
      if (version === "4.8") assert.equal(ada.socket.recovered, true);
      await bob.send(room.id, "after");
      await until(() => ada.texts(room.id).length >= 4, "what was missed");
      assert.deepEqual(ada.texts(room.id), ["before", "meanwhile 1", "meanwhile 2", "after"]);
      assert.deepEqual(ada.gaps, []);
      assert.equal(ada.user.id, who);
      ada.close();
      bob.close();
    } finally {
      await own.remove();
    }
  });
}
