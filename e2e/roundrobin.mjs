// A balancer without sticky sessions: every request, and every websocket, goes to the next server.
import { Agent, createServer, request } from "node:http";
import { connect } from "node:net";

export async function startRoundRobin(ports) {
  let turn = 0;
  const live = new Set(ports);
  const next = () => {
    for (;;) {
      const port = ports[turn++ % ports.length];
      if (live.has(port)) return port;
    }
  };
  const agent = new Agent({ keepAlive: true });
  const server = createServer((req, res) => {
    const up = request({ host: "127.0.0.1", port: next(), method: req.method, path: req.url, headers: req.headers, agent }, (answer) => {
      res.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(res);
    });
    up.on("error", () => res.destroy());
    res.on("close", () => up.destroy());
    req.pipe(up);
  });
  const sockets = new Set();
  server.on("upgrade", (req, client, head) => {
    const up = connect(next(), "127.0.0.1", () => {
      up.write(`${req.method} ${req.url} HTTP/1.1\r\n`);
      for (let i = 0; i < req.rawHeaders.length; i += 2) up.write(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}\r\n`);
      up.write("\r\n");
      up.write(head);
      up.pipe(client);
      client.pipe(up);
    });
    for (const s of [up, client]) {
      sockets.add(s);
      s.on("error", () => {});
      s.on("close", () => {
        sockets.delete(s);
        up.destroy();
        client.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    without: (port) => live.delete(port),
    close: () => {
      sockets.forEach((s) => s.destroy());
      agent.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
