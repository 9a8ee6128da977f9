// One connection to the server: its phase, when it tries again, and requests that always end in an answer.
import { io, type Socket } from 'socket.io-client';
import type { Answer, Refusal } from './protocol';

/**
 * idle: not begun. connecting: a try is under way. online: the session is here. waiting: the next try is at retryAt.
 * refused: the server said no for good (refusal says why). origin: the server does not serve pages of this address.
 */
export type Phase = 'idle' | 'connecting' | 'online' | 'waiting' | 'refused' | 'origin';

/** The server answers within 10 s (docs/protocol.md); a little more for the way. */
const ANSWER_MS = 12_000;
/** A page that was hidden for so long may have slept; an answer that takes so long may never come. */
const SLEPT_MS = 60_000;
const PROBE_MS = 6000;
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 15_000;

/** backoff is how long to wait before try n (from 0): doubling, with jitter, so that a crowd does not come back in one instant. */
export function backoff(n: number, random = Math.random()): number {
  const whole = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(n, 10));
  return Math.round(whole * (0.6 + 0.4 * random));
}

/** socketPath is where Socket.IO lives for a page at this path: beside the page, so that a path prefix works. */
export function socketPath(pagePath: string): string {
  return pagePath.slice(0, pagePath.lastIndexOf('/') + 1) + 'socket.io/';
}

export class Connection {
  phase = $state<Phase>('idle');
  /** ms since 1970 of the next try, while waiting. */
  retryAt = $state(0);
  /** Whether the browser says that there is a network at all. */
  network = $state(true);
  /** Whether a session was ever reached since the page was opened. */
  wasOnline = $state(false);
  refusal = $state<Refusal | undefined>(undefined);

  readonly #socket: Socket;
  #tries = 0;
  #hiddenAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(auth: () => object) {
    this.#socket = io(location.origin, {
      path: socketPath(location.pathname),
      auth: (give) => give(auth()),
      autoConnect: false,
      reconnection: false, // ours tells when it tries again
      transports: ['websocket', 'polling'],
      tryAllTransports: true, // polling also tells the status of a refusal, which a websocket hides
      timeout: 10_000,
    });
    this.#socket.on('connect_error', (error: Error) => this.#failed(error));
    this.#socket.on('disconnect', (reason, details) => {
      if (reason === 'io client disconnect') return;
      // A page's own GET carries no Origin, so that a refused address may show only at the first POST behind the handshake.
      if (statusOf(details) === 403) this.phase = 'origin';
      else this.#wait(backoff(this.#tries));
    });
    this.network = navigator.onLine;
    window.addEventListener('online', () => {
      this.network = true;
      void this.#wake();
    });
    window.addEventListener('offline', () => (this.network = false));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.#hiddenAt = Date.now();
      else if (Date.now() - this.#hiddenAt > SLEPT_MS || this.phase === 'waiting') void this.#wake();
    });
  }

  /** on hears an event of the server. */
  on<T>(event: string, handler: (data: T) => void): void {
    this.#socket.on(event, handler);
  }

  /** open begins to connect and goes on until close or a refusal. */
  open(): void {
    clearTimeout(this.#timer);
    this.refusal = undefined;
    this.phase = 'connecting';
    this.#socket.connect();
  }

  /** now tries at once instead of at retryAt; in any other phase it does nothing. */
  now(): void {
    if (this.phase === 'waiting') this.open();
  }

  /** close leaves, for good or to come back as somebody else. */
  close(): void {
    clearTimeout(this.#timer);
    this.#socket.disconnect();
    this.phase = 'idle';
  }

  /** reached is called when the session has come. */
  reached(): void {
    this.#tries = 0;
    this.wasOnline = true;
    this.phase = 'online';
  }

  /** request asks the server. It never throws: no connection is "offline", no answer is "unknown". */
  request<T>(name: string, payload: object, within = ANSWER_MS): Promise<Answer<T>> {
    if (this.phase !== 'online' || !this.#socket.connected) {
      return Promise.resolve({ ok: false, error: { code: 'offline', message: '' } });
    }
    return new Promise((resolve) => {
      this.#socket.timeout(within).emit(name, payload, (error: Error | null, answer: unknown) => {
        resolve(error ? { ok: false, error: { code: 'unknown', message: '' } } : understood<T>(answer));
      });
    });
  }

  /** tell says something that may be lost. */
  tell(name: string, payload: object): void {
    if (this.phase === 'online') this.#socket.volatile.emit(name, payload, () => {});
  }

  #failed(error: Error & { data?: Refusal }): void {
    if (error.data?.code) {
      const { code, retryAfterMs } = error.data;
      if (code === 'unavailable' || code === 'overloaded' || code === 'rate_limited' || code === 'internal') {
        this.#wait(Math.max(retryAfterMs ?? 0, backoff(this.#tries)));
        return;
      }
      this.refusal = error.data;
      this.phase = 'refused';
      return;
    }
    if (statusOf(error) === 403) {
      this.phase = 'origin';
      return;
    }
    this.#wait(backoff(this.#tries));
  }

  /** The network is back, or the page was asleep: what hangs is begun anew, and what seems to stand is asked whether it does. */
  async #wake(): Promise<void> {
    if (this.phase === 'online') {
      const answer = await this.request('room:list', { limit: 1 }, PROBE_MS);
      if (answer.ok || answer.error.code !== 'unknown' || this.phase !== 'online') return;
    } else if (this.phase !== 'waiting' && this.phase !== 'connecting') return;
    this.#socket.disconnect();
    this.open();
  }

  #wait(ms: number): void {
    this.#tries++;
    clearTimeout(this.#timer);
    this.retryAt = Date.now() + ms;
    this.phase = 'waiting';
    this.#timer = setTimeout(() => this.now(), ms);
  }
}

/** statusOf is the HTTP status behind an error of the transport, where polling told one. */
function statusOf(details: unknown): number | undefined {
  const context = typeof details === 'object' && details !== null && 'context' in details ? details.context : undefined;
  return typeof context === 'object' && context !== null && 'status' in context && typeof context.status === 'number' ? context.status : undefined;
}

function understood<T>(answer: unknown): Answer<T> {
  if (typeof answer === 'object' && answer !== null && 'ok' in answer) {
    if (answer.ok === true) return { ok: true, data: ('data' in answer ? answer.data : {}) as T };
    if ('error' in answer && typeof answer.error === 'object' && answer.error !== null) return { ok: false, error: answer.error as Refusal };
  }
  return { ok: false, error: { code: 'internal', message: 'the answer was not understood' } };
}
