// A TCP proxy that can swallow what the server says, and cut everything.
import { connect, createServer } from "node:net";

export async function startProxy(target) {
  const pairs = new Set();
  const proxy = { swallow: false, refuse: false };
  const server = createServer((client) => {
    if (proxy.refuse) return client.destroy();
    const upstream = connect(target, "127.0.0.1");
    const pair = [client, upstream];
    pairs.add(pair);
    client.on("data", (d) => upstream.write(d));
    upstream.on("data", (d) => proxy.swallow || client.write(d));
    for (const s of pair) {
      s.on("error", () => {});
      s.on("close", () => {
        pair.forEach((x) => x.destroy());
        pairs.delete(pair);
      });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.cut = () => pairs.forEach((pair) => pair.forEach((s) => s.destroy()));
  proxy.close = () => {
    proxy.cut();
    return new Promise((resolve) => server.close(resolve));
  };
  return proxy;
}
