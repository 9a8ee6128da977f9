// A chat on socket.io with the event names of docs/protocol.md, to compare Hubbub with. It is written as the library's documentation
// teaches it: the library's own rooms, its own broadcast, its default websocket server (ws), no compression.
//
// Nothing here is durable, and nothing is checked that Hubbub checks beyond a membership: no log, no history but the last 100 messages in
// memory, no idempotent clientId, no limits per user, no presence. Node has the easier job.
import { randomUUID } from "node:crypto";
import { Server } from "socket.io";

const keptMessages = 100;
const mostRooms = 10_000;

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// Room is what this server knows of a room: its name, and its last messages.
class Room {
  constructor(name, owner) {
    this.id = randomUUID();
    this.name = name;
    this.owner = owner;
    this.createdAt = Date.now();
    this.messages = [];
  }

  keep(message) {
    if (this.messages.push(message) > keptMessages) this.messages.shift();
  }

  // told is the room as a client sees it. The name of a socket's own room is the socket's id: a chat room's id is a UUID, so they never meet.
  told(io) {
    const { id, name, owner, createdAt } = this;
    return { id, name, private: false, owner, createdAt, members: io.of("/").adapter.rooms.get(id)?.size ?? 0 };
  }
}

// serveChat puts the chat on an HTTP server and returns socket.io's server. options are socket.io's own.
export function serveChat(httpServer, options = {}) {
  const io = new Server(httpServer, { serveClient: false, perMessageDeflate: false, ...options });
  const log = randomUUID();
  const rooms = new Map();
  let seq = 0;

  // The request that began a connection is not needed again; socket.io's page on memory advises to let it go.
  io.engine.on("connection", (raw) => (raw.request = null));

  function find(socket, roomId) {
    const room = rooms.get(roomId);
    if (!room) throw new Refusal("not_found", "no such room");
    if (!socket.rooms.has(roomId)) throw new Refusal("forbidden", "join the room first");
    return room;
  }

  const requests = {
    "room:create"(socket, { name }) {
      if (typeof name !== "string" || name === "") throw new Refusal("invalid", "name is missing");
      if (rooms.size >= mostRooms) throw new Refusal("overloaded", "too many rooms");
      const room = new Room(name, socket.data.user.id);
      rooms.set(room.id, room);
      socket.join(room.id);
      return { room: room.told(io), asOf: seq };
    },
    "room:join"(socket, { roomId }) {
      const room = rooms.get(roomId);
      if (!room) throw new Refusal("not_found", "no such room");
      socket.join(roomId);
      return { room: room.told(io), members: [], messages: [], hasMore: false, asOf: 0 };
    },
    "room:leave"(socket, { roomId }) {
      find(socket, roomId);
      socket.leave(roomId);
      return {};
    },
    "message:send"(socket, { roomId, clientId, text }) {
      const room = find(socket, roomId);
      if (typeof text !== "string" || text === "") throw new Refusal("invalid", "text is missing");
      const n = ++seq;
      const message = { seq: n, id: String(n), roomId, clientId, user: socket.data.user, text, at: Date.now() };
      room.keep(message);
      io.to(roomId).emit("message:new", message);
      return { id: message.id, seq: n, at: message.at };
    },
    "message:list"(socket, { roomId, limit }) {
      const { messages } = find(socket, roomId);
      const n = Math.min(Math.max(Number(limit) || 50, 1), keptMessages);
      return { messages: messages.slice(-n), hasMore: messages.length > n, newer: false, asOf: seq };
    },
  };

  function outcome(socket, request, payload) {
    try {
      return { ok: true, data: request(socket, payload ?? {}) };
    } catch (error) {
      const code = error instanceof Refusal ? error.code : "internal";
      return { ok: false, error: { code, message: error.message } };
    }
  }

  io.on("connection", (socket) => {
    const name = socket.handshake.auth.name ?? "guest";
    socket.data.user = { id: randomUUID(), name, guest: true };
    for (const [event, request] of Object.entries(requests)) {
      socket.on(event, (payload, ack) => {
        const answer = outcome(socket, request, payload);
        if (typeof ack === "function") ack(answer);
      });
    }
    socket.emit("session", { user: socket.data.user, log, serverTime: Date.now(), rooms: [] });
  });
  return io;
}
