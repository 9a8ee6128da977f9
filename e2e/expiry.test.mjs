// A token that is just past its time, or just before it (a report from the field): accepted by leeway and closed by expiry, in a loop.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { io as io40 } from "sio40";
import { io as io48 } from "sio48";
import { Server, pause } from "./server.mjs";

const secret = "the host application's secret, long enough";
let server, folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "hubbub-e2e-"));
  writeFileSync(join(folder, "key"), secret, { mode: 0o600 });
  server = await Server.start("--auth-key", join(folder, "key"), "--guests=false");
});
after(() => {
  rmSync(folder, { recursive: true });
  return server.remove();
});

/** mint signs claims as the host application would; times are seconds from now. */
function mint(claims) {
  const now = Math.floor(Date.now() / 1000);
  const part = (x) => Buffer.from(JSON.stringify(x)).toString("base64url");
  const body = { sub: "ada", name: "Ada", exp: now + claims.exp };
  if (claims.iat !== undefined) body.iat = body.nbf = now + claims.iat;
  const head = `${part({ alg: "HS256", typ: "JWT" })}.${part(body)}`;
  return `${head}.${createHmac("sha256", secret).update(head).digest("base64url")}`;
}

/** watch counts what a client goes through in a time, with the library's own reconnecting. */
async function watch(io, transports, token, ms) {
  const seen = { connects: 0, refusals: [], ends: [] };
  const socket = io(server.url, { auth: { token }, transports, forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 500 });
  socket.on("connect", () => seen.connects++);
  socket.on("connect_error", (err) => seen.refusals.push(err.data?.code ?? err.message));
  socket.on("disconnect", (why) => seen.ends.push(why));
  await pause(ms);
  seen.connected = socket.connected;
  socket.off("disconnect");
  socket.close();
  return seen;
}

const versions = [["4.8", io48], ["4.0", io40]];
const ways = [["websocket"], ["polling"]];

test("exp 20 s ago: at most 2 connects in 30 s, and no loop of refusals", async () => {
  const runs = versions.flatMap(([name, io]) => ways.map(async (way) => [`${name} ${way}`, await watch(io, way, mint({ exp: -20 }), 30_000)]));
  for (const [name, seen] of await Promise.all(runs)) {
    assert.ok(seen.connects <= 2 && seen.refusals.length <= 2, `${name}: ${JSON.stringify(seen)}`);
    assert.ok(!seen.connected, `${name} is still connected`);
  }
});

test("iat and nbf 5 s ahead are taken, and exp a minute ago is refused once", async () => {
  const early = versions.map(([, io]) => watch(io, ["websocket"], mint({ exp: 60, iat: 5 }), 3000));
  const late = versions.map(([, io]) => watch(io, ["websocket"], mint({ exp: -60 }), 3000));
  for (const seen of await Promise.all(early)) assert.deepEqual(seen, { connects: 1, refusals: [], ends: [], connected: true });
  for (const seen of await Promise.all(late)) assert.deepEqual(seen, { connects: 0, refusals: ["unauthorized"], ends: [], connected: false });
});
