// A reverse proxy as people put before a server: it mounts the server under a path, may rewrite Host, and may be unplugged.
import http from 'node:http';
import net from 'node:net';

export class Proxy {
  /** prefix is stripped ("/chat"); with rewriteHost the upstream sees its own address as Host. */
  static async start(port, { prefix = '', rewriteHost = false } = {}) {
    const proxy = new Proxy();
    const upstream = (request) => ({
      host: '127.0.0.1', port, method: request.method, path: request.url.slice(prefix.length) || '/',
      headers: rewriteHost ? { ...request.headers, host: `127.0.0.1:${port}` } : request.headers,
    });
    proxy.sockets = new Set();
    proxy.http = http.createServer((request, response) => {
      if (!request.url.startsWith(`${prefix}/`)) {
        response.writeHead(404).end('not under the prefix');
        return;
      }
      const onward = http.request(upstream(request), (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    proxy.http.on('connection', (socket) => {
      proxy.sockets.add(socket);
      socket.on('close', () => proxy.sockets.delete(socket));
    });
    proxy.http.on('upgrade', (request, socket, head) => {
      const { path, headers } = upstream(request);
      const onward = net.connect(port, '127.0.0.1', () => {
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
        onward.write(`GET ${path} HTTP/1.1\r\n${lines}\r\n`);
        onward.write(head);
        onward.pipe(socket);
        socket.pipe(onward);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
      socket.on('close', () => onward.destroy());
    });
    await new Promise((resolve) => proxy.http.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${proxy.http.address().port}${prefix}/`;
    return proxy;
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.http.close(resolve));
  }
}
