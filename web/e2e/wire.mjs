// A hand on the page's websocket: frames can be held back, changed, answered by the test, or made up.

/** Wire lets everything through until it is told otherwise. */
export class Wire {
  /** toServer(request) and toPage(text) may return false to keep a frame; request has name, payload, ack. */
  toServer = () => true;
  toPage = () => true;
  delay = 0;

  /** prepare is for Person.open: it must be there before the page connects. */
  prepare = (page) =>
    page.routeWebSocket(/\/socket\.io\//, (page) => {
      const server = page.connectToServer();
      this.page = page;
      this.server = server;
      this.connections = (this.connections ?? 0) + 1;
      page.onMessage((text) => {
        if (this.toServer(request(text)) !== false) server.send(text);
      });
      server.onMessage((text) => {
        if (this.toPage(String(text)) === false) return;
        const delay = /^43\d/.test(String(text)) ? this.delay : 0;
        if (delay > 0) setTimeout(() => page.send(text), delay);
        else page.send(text);
      });
    });

  /** answer speaks for the server. */
  answer(ack, data) {
    this.page.send(`43${ack}${JSON.stringify([data])}`);
  }

  /** event makes the page hear one. */
  event(name, data) {
    this.page.send(`42${JSON.stringify([name, data])}`);
  }
}

/** request reads a frame of the page: an event with its payload and ack number, or an empty one. */
function request(frame) {
  const match = /^42(\d*)(\[.*)$/s.exec(String(frame));
  if (!match) return { name: '', payload: {}, ack: '' };
  const [name, payload] = JSON.parse(match[2]);
  return { name, payload, ack: match[1] };
}
