// The Node server of `make bench`: node main.mjs --port 0 [--host 127.0.0.1] [--ping-interval 25000] [--ping-timeout 20000], times in
// milliseconds. When it listens it prints one line of JSON: its pid and its address. It ends on SIGTERM and SIGINT.
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { serveChat } from "./chat.mjs";

function fail(why) {
  console.error("bench/node: " + why);
  process.exit(1);
}

const flags = {
  host: { type: "string", default: "127.0.0.1" },
  port: { type: "string", default: "0" },
  "ping-interval": { type: "string", default: "25000" },
  "ping-timeout": { type: "string", default: "20000" },
};

function read() {
  try {
    const { values } = parseArgs({ options: flags });
    for (const name of ["port", "ping-interval", "ping-timeout"]) {
      if (!/^\d+$/.test(values[name])) throw new Error(`--${name} ${values[name]} is not a whole number`);
    }
    return values;
  } catch (error) {
    return fail(error.message);
  }
}

const values = read();
const httpServer = createServer();
const io = serveChat(httpServer, { pingInterval: Number(values["ping-interval"]), pingTimeout: Number(values["ping-timeout"]) });

// close breaks the connections off, too; a second signal ends the process at once.
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => io.close(() => process.exit(0)));
httpServer.on("error", (error) => fail(error.message));
httpServer.listen({ port: Number(values.port), host: values.host, backlog: 4096 }, () => {
  const { address, port } = httpServer.address();
  console.log(JSON.stringify({ pid: process.pid, url: `http://${address}:${port}` }));
});
