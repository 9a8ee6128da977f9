// One room's messages as the page holds them: a contiguous window of history whose end is either the live tail (attached) or a
// place in the middle (detached). Three things are kept apart: the window's edge (what to ask for next), the resume position (what
// was received live, see docs/protocol.md "since") and the count of what came while the reader was elsewhere.
import type { Opened, Page } from './protocol';
import { fromHistory, gapRow, identity, type GapRow, type Row } from './rows';

/** MAX_ROWS is how many rows a window holds, and so how many are ever drawn. */
export const MAX_ROWS = 400;
/** SLACK is how far a window may grow while its reader stands above the end, before it stops taking live rows. */
const SLACK = 100;
const MAX_RECENT = 500;
const MAX_SEEN = 4096;

export class Timeline {
  rows = $state.raw<Row[]>([]);
  /** Older messages exist before the window. */
  hasOlder = $state(false);
  /** The window ends at the live tail. */
  attached = $state(true);
  /** How many messages came since the reader left the end. */
  behind = $state(0);
  /** Something was loaded: an empty window means an empty room. */
  loaded = $state(false);
  /** Set by the view: whether the end of the window is on the screen at this moment. A room that nobody looks at counts as such. */
  atEnd: () => boolean = () => true;
  /** The highest seq received live: what `since` says. 0: not open. */
  position = 0;
  /** Counts the windows: a new one makes answers that are still under way obsolete, and is placed anew on the screen. */
  epoch = $state(0);

  #recent: Row[] = [];
  /** The highest seq that fell out of recent. */
  #forgotten = 0;
  #seen = new Set<string>();

  /** oldest is the seq before which older messages are asked for. */
  get oldest(): number {
    return this.rows[0]?.seq ?? 0;
  }

  /** newest is the window's own edge: the seq after which newer messages are asked for. */
  get newest(): number {
    return this.rows[this.rows.length - 1]?.seq ?? 0;
  }

  /** isOpen tells whether the room was opened: an event that came before that moves the position, and shows nothing of the room. */
  get isOpen(): boolean {
    return this.loaded && this.position > 0;
  }

  /** opened takes the answer of a join or open: the newest page, and the place from which live events follow. */
  opened(answer: Opened): void {
    this.epoch++;
    this.position = Math.max(answer.asOf, this.#highestRecent());
    this.loaded = true;
    this.#show(fromHistory(answer.messages), answer.hasMore, true, answer.asOf);
  }

  /** forget empties the window, for instance when the log is another one. */
  forget(): void {
    this.epoch++;
    this.position = 0;
    this.loaded = false;
    this.#recent = [];
    this.#forgotten = 0;
    this.#seen.clear();
    this.rows = [];
    this.attached = true;
    this.hasOlder = false;
    this.behind = 0;
  }

  /** live takes an event with a seq. It is false for what came before (by place or by id), which changes nothing. */
  live(row: Row): boolean {
    if (row.seq <= this.position) return false;
    this.position = row.seq;
    return this.#append(row);
  }

  /** missed takes a gap event: what lies in (from, to] did not come, and the position moves over it. */
  missed(from: number, to: number, reason: string): void {
    if (to <= this.position) return;
    const start = Math.max(from, this.position);
    this.position = to;
    if (this.loaded) this.#append(gapRow(start, to, reason));
  }

  /** older takes the page before the window. */
  older(page: Page): void {
    const rows = this.#withGap(page, fromHistory(page.messages).filter((row) => this.rows.length === 0 || row.seq < this.oldest));
    this.hasOlder = page.hasMore && rows.length > 0;
    let all = merge(rows, this.rows);
    if (all.length > MAX_ROWS) {
      all = all.slice(0, MAX_ROWS);
      this.#detach();
    }
    this.rows = all;
  }

  /** newer takes the page after a detached window's edge; at the end of the room the window becomes attached. */
  newer(page: Page): void {
    const rows = this.#withGap(page, fromHistory(page.messages).filter((row) => row.seq > this.newest));
    let all = merge(this.rows, rows);
    if (!page.hasMore) all = this.#attach(all, page.asOf);
    if (all.length > MAX_ROWS) {
      all = all.slice(all.length - MAX_ROWS);
      this.hasOlder = true;
    }
    this.rows = all;
  }

  /** landed takes a page around some seq, or the latest page, instead of the window. */
  landed(page: Page, isLatest: boolean): void {
    this.epoch++;
    this.loaded = true;
    const attached = isLatest || page.newer !== true;
    this.#show(this.#withGap(page, fromHistory(page.messages)), page.hasMore, attached, page.asOf);
  }

  /** filled takes a page after gap.from. What the page did not reach stays a gap. */
  filled(gap: GapRow, page: Page): void {
    const at = this.rows.findIndex((row) => row.key === gap.key);
    if (at < 0) return;
    const rows: Row[] = fromHistory(page.messages).filter((row) => row.seq > gap.from && row.seq <= gap.seq && !this.#holds(row));
    const last = page.messages[page.messages.length - 1]?.seq ?? 0;
    if (page.hasMore && last < gap.seq && last > gap.from) rows.push({ ...gap, from: last });
    const all = [...this.rows.slice(0, at), ...rows, ...this.rows.slice(at + 1)];
    for (const row of rows) this.#remember(row);
    if (all.length > MAX_ROWS + SLACK) this.#detach();
    this.rows = all.slice(0, MAX_ROWS + SLACK);
  }

  /** reachedEnd is told by the view when the live tail is on the screen. */
  reachedEnd(): void {
    if (!this.attached) return;
    this.behind = 0;
    if (this.rows.length <= MAX_ROWS) return;
    this.rows = this.rows.slice(this.rows.length - MAX_ROWS);
    this.hasOlder = true;
  }

  /** has tells whether a message of this id is in the window. */
  has(id: string): boolean {
    return this.rows.some((row) => row.kind === 'message' && row.message.id === id);
  }

  #append(row: Row): boolean {
    const id = identity(row);
    if (this.#seen.has(id)) return this.#replace(row);
    this.#remember(row);
    this.#recent.push(row);
    if (this.#recent.length > MAX_RECENT) this.#forgotten = this.#recent.shift()!.seq;
    const atEnd = this.atEnd();
    if (!atEnd && this.attached && this.rows.length >= MAX_ROWS + SLACK) this.#detach();
    if (row.kind === 'message' && (!this.attached || !atEnd)) this.behind++;
    if (!this.attached || !this.loaded) return true;
    const all = [...this.rows, row];
    const cut = atEnd && all.length > MAX_ROWS ? all.length - MAX_ROWS : 0;
    if (cut > 0) this.hasOlder = true;
    this.rows = cut > 0 ? all.slice(cut) : all;
    return true;
  }

  /** A tombstone comes under the id of the message whose place it takes; any other second copy is dropped. */
  #replace(row: Row): boolean {
    if (row.kind !== 'message' || !row.message.deleted) return false;
    this.rows = this.rows.map((old) => (identity(old) === row.message.id ? { ...row, key: old.key, seq: old.seq } : old));
    return false;
  }

  #show(rows: Row[], hasOlder: boolean, attached: boolean, asOf: number): void {
    for (const row of rows) this.#remember(row);
    this.hasOlder = hasOlder;
    this.attached = false;
    this.rows = attached ? this.#attach(rows, asOf) : rows;
    if (this.attached) this.behind = 0;
  }

  /** A window that is complete up to asOf goes on with what came live after it, unless some of that is already forgotten. */
  #attach(rows: Row[], asOf: number): Row[] {
    if (this.#forgotten > asOf) {
      this.attached = false;
      return rows;
    }
    this.attached = true;
    const known = new Set(rows.map(identity));
    return [...rows, ...this.#recent.filter((row) => row.seq > asOf && !known.has(identity(row)))];
  }

  #detach(): void {
    this.attached = false;
  }

  #withGap(page: Page, rows: Row[]): Row[] {
    for (const row of rows) this.#remember(row);
    if (!page.gap) return rows;
    const gap = gapRow(page.gap.from, page.gap.to, page.gap.reason);
    return [...rows, gap].sort((a, b) => a.seq - b.seq);
  }

  #holds(row: Row): boolean {
    return this.rows.some((old) => identity(old) === identity(row));
  }

  #remember(row: Row): void {
    this.#seen.add(identity(row));
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value!);
  }

  #highestRecent(): number {
    return this.#recent[this.#recent.length - 1]?.seq ?? 0;
  }
}

/** merge puts two neighbouring stretches together; a row that is in both is kept once. */
function merge(first: Row[], second: Row[]): Row[] {
  const known = new Set(first.map(identity));
  return [...first, ...second.filter((row) => !known.has(identity(row)))];
}
