// The server under test: a real process with a data directory of its own, always at the same port.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const bin = process.env.HUBBUB_BIN ?? new URL("../hubbub", import.meta.url).pathname;

// freePort gives a port below those that the system gives to outgoing connections: else one of them might have it when a server comes back.
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const free = await new Promise((resolve) => {
      const socket = createServer().once("error", () => resolve(false)).listen(port, "127.0.0.1", () => socket.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

export class Server {
  // In flags, PORT stands for the server's own port.
  static async start(...flags) {
    const s = new Server();
    s.dir = mkdtempSync(join(tmpdir(), "hubbub-e2e-"));
    s.port = await freePort();
    s.flags = flags.map((f) => f.replace("PORT", s.port));
    await s.up();
    return s;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async up(...flags) {
    const args = ["serve", "--listen", `127.0.0.1:${this.port}`, "--data", this.dir, "--reserve-bytes", "0", ...this.flags, ...flags];
    this.log = "";
    this.process = spawn(bin, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.process.stderr.on("data", (d) => (this.log += d));
    this.exited = new Promise((resolve) => this.process.once("exit", resolve));
    for (let i = 0; i < 300; i++) {
      if (this.process.exitCode !== null) throw new Error("the server ended: " + this.log);
      const ready = await fetch(this.url + "/readyz").catch(() => null);
      if (ready?.ok) return;
      await pause(100);
    }
    throw new Error("the server is not ready: " + this.log);
  }

  async down(signal = "SIGKILL") {
    this.process.kill(signal);
    await this.exited;
  }

  async remove() {
    await this.down();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// until waits until f gives something true, and gives that.
export async function until(f, what, ms = 20000) {
  const end = Date.now() + ms;
  for (;;) {
    const v = await f();
    if (v) return v;
    if (Date.now() > end) throw new Error("waited in vain: " + what);
    await pause(20);
  }
}
