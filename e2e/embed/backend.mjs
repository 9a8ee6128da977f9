// The example of examples/embed as a user would start it: hubbub, which takes tokens of the key only, and the back end.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, freePort, until } from "../server.mjs";

const script = new URL("../../examples/embed/server.mjs", import.meta.url).pathname;

export class Example {
  /** start runs both; tokens last so many seconds. */
  static async start(tokenSeconds) {
    const e = new Example();
    e.dir = mkdtempSync(join(tmpdir(), "hubbub-embed-"));
    e.key = join(e.dir, "chat.key");
    writeFileSync(e.key, randomBytes(32).toString("hex") + "\n", { mode: 0o600 });
    e.port = await freePort();
    e.url = `http://localhost:${e.port}/`;
    e.chat = await Server.start("--auth-key", e.key, "--guests=false", "--origins", `http://localhost:${e.port}`);
    await e.up(tokenSeconds);
    return e;
  }

  async up(tokenSeconds) {
    this.said = "";
    const env = { PATH: process.env.PATH, PORT: this.port, CHAT: this.chat.url, KEY_FILE: this.key, TOKEN_SECONDS: tokenSeconds };
    this.process = spawn(process.execPath, [script], { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const out of [this.process.stdout, this.process.stderr]) out.on("data", (d) => (this.said += d));
    this.ended = new Promise((resolve) => this.process.once("exit", resolve));
    await until(() => {
      if (this.process.exitCode !== null) throw new Error("the back end ended: " + this.said);
      return this.said.includes(this.url);
    }, "the back end listens");
  }

  async down() {
    this.process.kill("SIGTERM");
    await this.ended;
  }

  async remove() {
    await this.down();
    await this.chat.remove();
    rmSync(this.dir, { recursive: true });
  }

  /** logIn gives the cookie of a user. */
  async logIn(user, password) {
    const res = await fetch(this.url + "login", { method: "POST", body: new URLSearchParams({ user, password }), redirect: "manual" });
    return { status: res.status, cookie: res.headers.get("set-cookie")?.split(";")[0] };
  }

  async token(cookie) {
    const res = await fetch(this.url + "token", { method: "POST", headers: cookie ? { cookie } : {} });
    return { status: res.status, token: res.ok ? (await res.json()).token : undefined };
  }
}
