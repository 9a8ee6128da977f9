// The server's clock, as far as this browser knows it: ids that carry a time must agree with the server, whatever the local clock says.

let offset = 0;

/** agree takes the server's time (ms since 1970) from a session. Differences below two seconds are the network's. */
export function agree(serverTime: number, local = Date.now()): void {
  const difference = serverTime - local;
  offset = Number.isFinite(difference) && Math.abs(difference) > 2000 ? difference : 0;
}

/** now is the server's time in ms since 1970. */
export function now(local = Date.now()): number {
  return local + offset;
}
