// A chat client on any version of the official library: keeps its token and since, and what it received.
export class Person {
  constructor(io, url, options = {}) {
    this.got = [];
    this.since = {};
    this.name = options.name ?? "Ada";
    this.withError = Boolean(options.retries || options.ackTimeout); // then the library puts an error in front of the answer
    this.socket = io(url, {
      forceNew: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
      auth: (cb) => cb(this.token ? { token: this.token, since: this.since, log: this.log } : { name: this.name }),
      ...options,
    });
    this.sessions = [];
    this.socket.on("session", (s) => {
      this.sessions.push(s);
      this.token = s.token ?? this.token;
      this.log = s.log;
      this.user = s.user;
    });
    for (const name of ["message:new", "room:joined", "room:left", "room:updated", "room:invited"]) {
      this.socket.on(name, (e) => {
        this.got.push({ name, ...e });
        if (e.seq) this.since[e.roomId] = e.seq;
      });
    }
    this.gaps = [];
    this.socket.on("gap", (g) => {
      this.gaps.push(g);
      this.since[g.roomId] = g.to;
    });
  }

  ask(name, payload) {
    return new Promise((resolve, reject) => {
      const answered = (a) => (a.ok ? resolve(a.data) : reject(Object.assign(new Error(a.error.message), a.error)));
      this.socket.emit(name, payload, this.withError ? (err, a) => (err ? reject(err) : answered(a)) : answered);
    });
  }

  async join(roomId) {
    const data = await this.ask("room:join", { roomId });
    this.since[roomId] = Math.max(this.since[roomId] ?? 0, data.asOf);
    return data;
  }

  send(roomId, text, clientId = crypto.randomUUID()) {
    return this.ask("message:send", { roomId, clientId, text });
  }

  texts(roomId) {
    return this.got.filter((e) => e.name === "message:new" && e.roomId === roomId).map((e) => e.text);
  }

  close() {
    this.socket.disconnect();
  }
}
