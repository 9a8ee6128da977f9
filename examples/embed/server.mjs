// A host application's back end: it knows its own users, and mints the tokens with which they enter the chat. Standard library only.
// PORT, CHAT (the address of hubbub as browsers see it), KEY_FILE (hubbub's --auth-key), TOKEN_SECONDS.
import { createHmac, randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const { PORT = "8080", CHAT = "http://localhost:3001", KEY_FILE = "chat.key", TOKEN_SECONDS = "600" } = process.env;
const key = readFileSync(KEY_FILE, "utf8").trim();
const page = (name) => readFileSync(new URL(name, import.meta.url), "utf8").replaceAll("%CHAT%", CHAT);
const files = { in: page("index.html"), out: page("login.html"), script: page("chat.js") };

// Your users and their passwords come from where you keep them.
const hash = (password, salt = randomBytes(16)) => ({ salt, sum: scryptSync(password, salt, 32) });
const users = new Map([
  ["ada", { name: "Ada", password: hash("lovelace") }],
  ["bob", { name: "Bob", password: hash("builder") }],
]);

// Your own log-in: whatever you have. Here: a random cookie, good until this process ends.
const sessions = new Map(); // cookie → user id, the newest 10,000
const who = (req) => sessions.get(/(?:^|; )session=([0-9a-f]+)/.exec(req.headers.cookie ?? "")?.[1]);

function logIn(form) {
  const id = form.get("user") ?? "";
  const known = users.get(id)?.password ?? hash("nobody"); // as much work for a name that is not there
  const right = timingSafeEqual(hash(form.get("password") ?? "", known.salt).sum, known.sum);
  if (!right || !users.has(id)) return undefined;
  const cookie = randomBytes(32).toString("hex");
  sessions.set(cookie, id);
  if (sessions.size > 10_000) sessions.delete(sessions.keys().next().value);
  return cookie;
}

/** mint makes the JWT (HS256) that hubbub takes: who it is, what he is called, and until when. */
function mint(id) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: id, name: users.get(id).name, iat: now, exp: now + Number(TOKEN_SECONDS) })}`;
  return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
}

async function body(req) {
  let text = "";
  for await (const chunk of req) {
    text += chunk;
    if (text.length > 4096) throw new Error("too long");
  }
  return new URLSearchParams(text);
}

async function answer(req, res) {
  const id = who(req);
  const send = (status, type, text) => res.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store" }).end(text);
  switch (`${req.method} ${req.url}`) {
    case "GET /":
      return send(200, "text/html; charset=utf-8", id ? files.in : files.out);
    case "GET /chat.js":
      return send(200, "text/javascript; charset=utf-8", files.script);
    case "POST /login": {
      const cookie = logIn(await body(req));
      if (!cookie) return send(401, "text/plain", "Wrong name or password.\n");
      return res.writeHead(303, { Location: "./", "Set-Cookie": `session=${cookie}; HttpOnly; SameSite=Strict; Path=/` }).end();
    }
    case "POST /token": // SameSite keeps other sites' pages from asking; only who is logged in gets one, and only his own
      return id ? send(200, "application/json", JSON.stringify({ token: mint(id) })) : send(401, "text/plain", "Log in first.\n");
  }
  return send(404, "text/plain", "There is nothing here.\n");
}

createServer((req, res) => answer(req, res).catch(() => res.writeHead(400).end())).listen(Number(PORT), "127.0.0.1", function () {
  console.log(`The host application is on http://localhost:${this.address().port}/`);
});
