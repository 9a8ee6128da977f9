// Messages of one's own that the server has not confirmed yet. Each is kept in the browser until it is acked or discarded, so that a
// reload loses nothing; each is sent under one clientId however often; those of one room go out one after the other. What a passing refusal
// or a lost connection holds up waits as long as it takes, and what was written later waits behind it: only a final refusal fails a message.
import { inWords, mayRetry, type Answer, type Message, type Refusal } from './protocol';
import { readJSON, type Keep } from './storage';
import { uuidv7 } from './uuidv7';

/** pending: waiting or on its way. failed: refused for good, with a reason. acked: durable; its own event has not been seen yet. */
export type State = 'pending' | 'failed' | 'acked';

export interface Entry {
  clientId: string; roomId: string; userId: string; text: string; at: number; replyTo?: string;
  state: State;
  /** Why it failed, or why it still waits. */
  reason?: string;
  /** Whether another try can help. */
  hopeless?: boolean;
  /** The server's id and place, once acked. */
  id?: string; seq?: number;
}

export interface Sent { id: string; seq?: number; at: number }
export type Send = (entry: Entry) => Promise<Answer<Sent>>;

/** MAX_ENTRIES bounds what may wait; the composer refuses more. */
export const MAX_ENTRIES = 200;
/** LONG_WAIT_MS after it was written a message that still waits offers to be sent at once, or to be discarded. */
export const LONG_WAIT_MS = 120_000;
const PREFIX = 'out/';

interface Lane { busy: boolean; tries: number; timer?: ReturnType<typeof setTimeout> }

export class Outbox {
  entries = $state.raw<Entry[]>([]);

  readonly #send: Send;
  readonly #keep: Keep;
  readonly #now: () => number;
  readonly #lanes = new Map<string, Lane>();
  #open = false;

  constructor(send: Send, keep: Keep, now: () => number = Date.now) {
    this.#send = send;
    this.#keep = keep;
    this.#now = now;
  }

  /** restore takes up what this user left unsent at an earlier visit; what another user left is dropped. */
  restore(userId: string): void {
    const here = new Set(this.entries.map((entry) => entry.clientId));
    const found: Entry[] = [];
    for (const key of this.#keep.keys(PREFIX)) {
      const entry = readJSON(this.#keep, key, isEntry);
      if (!entry || entry.userId !== userId) this.#keep.remove(key);
      else if (!here.has(entry.clientId)) found.push(entry);
    }
    found.sort((a, b) => a.at - b.at || (a.clientId < b.clientId ? -1 : 1));
    this.entries = [...found, ...this.entries].slice(0, MAX_ENTRIES);
  }

  /** add queues a text and gives its entry, or undefined when too much is waiting. */
  add(roomId: string, userId: string, text: string, replyTo?: string): Entry | undefined {
    if (this.entries.length >= MAX_ENTRIES) return undefined;
    // Later than all that wait, also within one millisecond or after the clock was put back: restore goes by it.
    const at = this.entries.reduce((last, one) => (one.state === 'acked' ? last : Math.max(last, one.at + 1)), this.#now());
    const entry: Entry = { clientId: uuidv7(), roomId, userId, text, at, state: 'pending', ...(replyTo ? { replyTo } : {}) };
    this.entries = [...this.entries, entry];
    this.#save(entry);
    void this.#pump(roomId);
    return entry;
  }

  /** connected lets everything go out that waits; disconnected holds it. */
  connected(): void {
    this.#open = true;
    for (const roomId of new Set(this.entries.map((entry) => entry.roomId))) this.#hurry(roomId);
  }

  disconnected(): void {
    this.#open = false;
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
  }

  /** retry sends a failed entry again, or one that waits without waiting longer, under the clientId it has and in its old place. */
  retry(clientId: string): void {
    const entry = this.#change(clientId, { state: 'pending', reason: undefined, hopeless: undefined });
    if (entry) this.#hurry(entry.roomId);
  }

  /** discard forgets an entry. Those that waited behind it go on. */
  discard(clientId: string): void {
    const gone = this.entries.find((entry) => entry.clientId === clientId);
    const held = gone && gone === this.#next(gone.roomId);
    this.entries = this.entries.filter((entry) => entry !== gone);
    this.#keep.remove(PREFIX + clientId);
    if (held) this.#hurry(gone.roomId);
  }

  /** seen is told of every message that came, live or from history: one's own is confirmed by it. */
  seen(message: Message): void {
    const clientId = message.clientId;
    if (!clientId) return;
    const entry = this.entries.find((one) => one.clientId === clientId && one.userId === message.user.id && one.roomId === message.roomId);
    if (entry) this.discard(clientId);
  }

  /** passed is told how far a room was received: an acked entry at or below it will not come as an event any more. */
  passed(roomId: string, position: number): void {
    const gone = (entry: Entry) => entry.roomId === roomId && entry.state === 'acked' && entry.seq !== undefined && entry.seq <= position;
    if (this.entries.some(gone)) this.entries = this.entries.filter((entry) => !gone(entry));
  }

  /** of gives one room's entries in the order in which they were written. */
  of(roomId: string): Entry[] {
    return this.entries.filter((entry) => entry.roomId === roomId);
  }

  #hurry(roomId: string): void {
    const lane = this.#lane(roomId);
    clearTimeout(lane.timer);
    lane.timer = undefined;
    lane.tries = 0;
    void this.#pump(roomId);
  }

  async #pump(roomId: string): Promise<void> {
    const lane = this.#lane(roomId);
    while (this.#open && !lane.busy && lane.timer === undefined) {
      const entry = this.#next(roomId);
      if (!entry) return;
      lane.busy = true;
      const answer = await this.#send(entry);
      lane.busy = false;
      if (answer.ok) this.#acked(entry, answer.data, lane);
      else this.#refused(entry, answer.error, lane);
    }
  }

  #next(roomId: string): Entry | undefined {
    return this.entries.find((entry) => entry.roomId === roomId && entry.state === 'pending');
  }

  #acked(entry: Entry, sent: Sent, lane: Lane): void {
    lane.tries = 0;
    this.#keep.remove(PREFIX + entry.clientId);
    const change: Partial<Entry> = { state: 'acked', id: sent.id, at: sent.at, reason: undefined };
    if (sent.seq !== undefined) change.seq = sent.seq;
    this.#change(entry.clientId, change, false);
  }

  #refused(entry: Entry, error: Refusal, lane: Lane): void {
    if (!mayRetry(error.code)) {
      this.#change(entry.clientId, { state: 'failed', reason: inWords(error), hopeless: error.code === 'too_large' || error.code === 'conflict' });
      return;
    }
    if (error.code === 'offline' || !this.#open) {
      if (this.#open) this.#later(entry.roomId, lane, 1000);
      return; // connected() takes it up again
    }
    this.#change(entry.clientId, { reason: inWords(error) });
    const wait = Math.max(error.retryAfterMs ?? 0, Math.min(15_000, 500 * 2 ** lane.tries++));
    this.#later(entry.roomId, lane, Math.min(wait, 60_000));
  }

  #later(roomId: string, lane: Lane, ms: number): void {
    lane.timer = setTimeout(() => {
      lane.timer = undefined;
      void this.#pump(roomId);
    }, ms);
  }

  #lane(roomId: string): Lane {
    let lane = this.#lanes.get(roomId);
    if (!lane) this.#lanes.set(roomId, (lane = { busy: false, tries: 0 }));
    return lane;
  }

  #change(clientId: string, change: Partial<Entry>, keep = true): Entry | undefined {
    let changed: Entry | undefined;
    this.entries = this.entries.map((entry) => (entry.clientId === clientId ? (changed = { ...entry, ...change }) : entry));
    if (changed && keep) this.#save(changed);
    return changed;
  }

  #save(entry: Entry): void {
    this.#keep.set(PREFIX + entry.clientId, JSON.stringify(entry));
  }
}

function isEntry(value: unknown): value is Entry {
  const entry = value as Entry | null;
  return typeof entry === 'object' && entry !== null && ['clientId', 'roomId', 'userId', 'text'].every((key) => typeof entry[key as keyof Entry] === 'string')
    && typeof entry.at === 'number' && (entry.state === 'pending' || entry.state === 'failed');
}
