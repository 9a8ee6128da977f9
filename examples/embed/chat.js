// What every page of a host application needs of Hubbub, over the official client: a fresh token for each connect, resume after a cut,
// and asking until the answer is final. docs/protocol.md says why.

/** connect gives a socket.io-client socket that also has ask and enter. token() gives a token, or "" if there is none now. */
export function connect(url, token) {
  const since = {}; // room → the last seq received
  let log;
  const socket = io(url, { auth: async (give) => give({ token: await token().catch(() => ""), since, log }) });
  socket.on("session", (session) => { log = session.log; });
  socket.onAny((name, event) => { if (event?.seq) since[event.roomId] = event.seq; });
  socket.on("gap", (gap) => { if (gap.to > 0) since[gap.roomId] = gap.to; else delete since[gap.roomId]; });
  socket.on("disconnect", (why) => { if (why === "io server disconnect") socket.connect(); }); // the token has run out
  socket.on("connect_error", () => { if (!socket.active) setTimeout(() => socket.connect(), 2000); }); // it was refused

  /** ask repeats a request until it is answered for good: a refusal is an answer, which the library's own retries do not repeat. */
  socket.ask = async (name, payload) => {
    for (;;) {
      const answer = await socket.timeout(10000).emitWithAck(name, payload).catch(() => ({}));
      if (answer.ok) return answer.data;
      if (answer.error && !["unavailable", "overloaded", "rate_limited", "unknown"].includes(answer.error.code)) throw new Error(answer.error.message);
      await new Promise((done) => setTimeout(done, answer.error?.retryAfterMs ?? 1000));
    }
  };
  /** enter joins a room unless this user is a member, and hears it from then on; undefined if this socket hears it already. */
  socket.enter = async (roomId, session) => {
    if (roomId in since) return undefined; // resumed by the CONNECT
    const member = session?.rooms.some((r) => r.room.id === roomId && r.state === "joined");
    const page = await socket.ask(member ? "room:open" : "room:join", { roomId });
    since[roomId] = Math.max(since[roomId] ?? 0, page.asOf);
    return page;
  };
  return socket;
}

/** newId gives a clientId: a UUIDv7 (RFC 9562), so that hubbub need not look up a fresh one. crypto.randomUUID makes others. */
export function newId() {
  const time = Date.now().toString(16).padStart(12, "0");
  const rest = Array.from(crypto.getRandomValues(new Uint8Array(10)), (b) => b.toString(16).padStart(2, "0")).join("");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(1, 4)}-${"89ab"[parseInt(rest[4], 16) % 4]}${rest.slice(5, 8)}-${rest.slice(8)}`;
}
