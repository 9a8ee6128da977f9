// The server under test: the built binary as a process of its own, with a data directory of its own, always at the same port.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = process.env.HUBBUB_BIN ?? fileURLToPath(new URL('../../hubbub', import.meta.url));

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** until polls until what() is truthy and gives that; it fails with the words given after 20 s. */
export async function until(words, what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await what();
    if (value) return value;
    if (Date.now() > end) throw new Error(`in vain: ${words}`);
    await pause(50);
  }
}

// freePort gives a port below those that the system gives to outgoing connections: else one of them might have it when a server comes back.
async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const free = await new Promise((resolve) => {
      const socket = createServer().once('error', () => resolve(false)).listen(port, '127.0.0.1', () => socket.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

export class Server {
  static async start({ host = '127.0.0.1', flags = [] } = {}) {
    const server = new Server();
    server.data = mkdtempSync(join(tmpdir(), 'hubbub-web-'));
    server.host = host;
    server.flags = flags;
    server.port = await freePort();
    await server.up();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  async up() {
    const args = ['serve', '--listen', `${this.host}:${this.port}`, '--data', this.data, '--reserve-bytes', '0', '--drain', '0s',
      '--events-per-socket', '100000', '--events-per-user', '100000', ...this.flags];
    this.log = '';
    this.process = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.process.stderr.on('data', (data) => (this.log = (this.log + data).slice(-20_000)));
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    await until(`the server is ready; it said: ${this.log}`, async () => {
      if (this.process.exitCode !== null) throw new Error(`the server ended: ${this.log}`);
      const ready = await fetch(`${this.url}readyz`).catch(() => undefined);
      return ready?.ok;
    }, 60_000);
  }

  async down(signal = 'SIGKILL') {
    this.process.kill(signal);
    await this.ended;
  }

  async remove() {
    await this.down();
    rmSync(this.data, { recursive: true, force: true });
  }
}
