// What a person does with rooms. Each gives the refusal, or undefined when it worked.
import type { App } from './app.svelte';
import type { ListedRoom, Opened, Refusal, Room } from './protocol';
import type { RoomState } from './rooms.svelte';
import { uuidv7 } from './uuidv7';

export class Doing {
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  async create(name: string, topic: string, isPrivate: boolean, clientId: string): Promise<Refusal | undefined> {
    const payload = { clientId, name, private: isPrivate, ...(topic ? { topic } : {}) };
    const answer = await this.#app.connection.request<{ room: Room }>('room:create', payload);
    if (!answer.ok) return answer.error;
    const room = this.#app.rooms.of(answer.data.room.id);
    room.info = answer.data.room;
    room.membership = 'joined';
    room.lastAt = answer.data.room.createdAt;
    this.#app.route.go({ room: room.id });
    if (!room.timeline.isOpen) void this.#app.reading.open(room);
    return undefined;
  }

  /** join asks with a clientId of this moment: the server refuses joins older than four minutes. */
  async join(room: RoomState): Promise<Refusal | undefined> {
    if (room.opening) return undefined;
    room.opening = true;
    room.error = undefined;
    const answer = await this.#app.connection.request<Opened>('room:join', { roomId: room.id, clientId: uuidv7() });
    room.opening = false;
    if (!answer.ok) {
      room.error = answer.error;
      return answer.error;
    }
    this.#app.reading.opened(room, answer.data);
    return undefined;
  }

  async leave(room: RoomState): Promise<Refusal | undefined> {
    const answer = await this.#app.connection.request('room:leave', { roomId: room.id, clientId: uuidv7() });
    if (!answer.ok) return answer.error;
    if (this.#app.rooms.known(room.id) === room) this.#app.goneFrom(room);
    return undefined;
  }

  async invite(room: RoomState, userId: string): Promise<Refusal | undefined> {
    const answer = await this.#app.connection.request('room:invite', { roomId: room.id, userId, clientId: uuidv7() });
    return answer.ok ? undefined : answer.error;
  }

  async update(room: RoomState, name: string, topic: string): Promise<Refusal | undefined> {
    const changes = { ...(name !== room.name ? { name } : {}), ...(topic !== (room.info?.topic ?? '') ? { topic } : {}) };
    if (Object.keys(changes).length === 0) return undefined;
    const answer = await this.#app.connection.request<{ room: Room }>('room:update', { roomId: room.id, clientId: uuidv7(), ...changes });
    if (!answer.ok) return answer.error;
    room.info = answer.data.room;
    return undefined;
  }

  /** search lists rooms that may be joined, a page at a time. */
  async search(query: string, cursor?: string): Promise<{ rooms: ListedRoom[]; cursor?: string } | Refusal> {
    const payload = { limit: 50, ...(query ? { query } : {}), ...(cursor ? { cursor } : {}) };
    const answer = await this.#app.connection.request<{ rooms: ListedRoom[]; cursor?: string }>('room:list', payload);
    if (!answer.ok) return answer.error;
    this.#app.heardOf(answer.data.rooms);
    return answer.data;
  }
}
