// Somebody without a browser: fills rooms, reads history, on the official client.
import { randomUUID } from 'node:crypto';
import { io } from 'socket.io-client';

export class Client {
  static async connect(url, name) {
    const client = new Client();
    client.socket = io(url, { transports: ['websocket'], forceNew: true, auth: { name } });
    client.session = await new Promise((resolve, reject) => {
      client.socket.once('session', resolve);
      client.socket.once('connect_error', reject);
    });
    return client;
  }

  ask(name, payload) {
    return new Promise((resolve, reject) => {
      this.socket.timeout(15_000).emit(name, payload, (error, answer) => {
        if (error) reject(error);
        else if (answer.ok) resolve(answer.data);
        else reject(Object.assign(new Error(`${name}: ${answer.error.code} ${answer.error.message}`), answer.error));
      });
    });
  }

  join = (roomId) => this.ask('room:join', { roomId });
  create = async (name, more = {}) => (await this.ask('room:create', { clientId: randomUUID(), name, ...more })).room;
  send = (roomId, text) => this.ask('message:send', { roomId, clientId: randomUUID(), text });

  /** fill says first to last, numbered, in order. */
  async fill(roomId, first, last, words = 'Message') {
    for (let n = first; n <= last; n += 50) {
      const some = Array.from({ length: Math.min(50, last - n + 1) }, (_, i) => n + i);
      await Promise.all(some.map((one) => this.send(roomId, `${words} ${one}`)));
    }
  }

  /** texts is the whole history of a room, oldest first. */
  async history(roomId) {
    const all = [];
    for (let before; ; before = all[0].seq) {
      const page = await this.ask('message:list', { roomId, limit: 100, ...(before ? { before } : {}) });
      all.unshift(...page.messages);
      if (!page.hasMore) return all;
    }
  }

  close() {
    this.socket.disconnect();
  }
}
