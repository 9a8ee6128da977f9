// Who belongs to a room, who is here, who types.
import type { Member, MemberPage, Presence, User } from './protocol';

/** The server's word on typing holds for 6 s. */
const TYPING_MS = 6000;
const MAX_MEMBERS = 2000;
const MAX_TYPING = 20;
/** Above this many who are here, presence tells only their number. */
const MAX_NAMED = 200;

export class People {
  /** Known members by id: those of the pages that were loaded, and those heard of since. */
  members = $state.raw<ReadonlyMap<string, Member>>(new Map());
  /** Asks for the next page of members; undefined when all are known. */
  cursor = $state<string | undefined>(undefined);
  loaded = $state(false);
  /** How many are here, as the server last said. -1: it said nothing yet. */
  hereCount = $state(-1);
  /** Presence is this node's own view only: the bus is away. */
  stale = $state(false);
  typing = $state.raw<User[]>([]);

  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  /** first takes the first page: everything known before is replaced by it. */
  first(page: { members: Member[]; cursor?: string }): void {
    this.members = this.#counted(new Map(page.members.map((member) => [member.id, member])));
    this.cursor = page.cursor;
    this.loaded = true;
  }

  more(page: MemberPage): void {
    const all = new Map(this.members);
    for (const member of page.members) if (all.size < MAX_MEMBERS) all.set(member.id, member);
    this.members = this.#counted(all);
    this.cursor = all.size < MAX_MEMBERS ? page.cursor : undefined;
  }

  /**
   * presence takes who came and went. Above 200 it brings the count alone, and what was known of each counts no more; while it is stale
   * whoever is not on this node may be on another.
   */
  presence(event: Presence): void {
    this.hereCount = event.count;
    this.stale = event.stale === true;
    const all = new Map(this.members);
    for (const user of event.joined ?? []) if (all.has(user.id) || all.size < MAX_MEMBERS) all.set(user.id, { ...user, here: true });
    for (const user of event.left ?? []) {
      const known = all.get(user.id);
      if (known) all.set(user.id, { ...known, here: false });
      this.types(user, false);
    }
    if (event.count > MAX_NAMED) forget(all, () => true);
    else if (this.stale) forget(all, (member) => member.here === false);
    this.members = this.#counted(all);
  }

  /** #counted adds what the count tells: where as many are known to be here as there are, all others are away. */
  #counted(all: Map<string, Member>): Map<string, Member> {
    if (this.hereCount < 0 || this.stale || inSight(all) !== this.hereCount) return all;
    for (const [id, member] of all) if (member.here === undefined) all.set(id, { ...member, here: false });
    return all;
  }

  /** added and removed follow the records of the room. added is false for who was known as a member already. */
  added(user: User): boolean {
    if (this.members.has(user.id)) return false;
    if (this.members.size < MAX_MEMBERS) this.members = this.#counted(new Map(this.members).set(user.id, user));
    return true;
  }

  removed(userId: string): void {
    if (!this.members.has(userId)) return;
    const all = new Map(this.members);
    all.delete(userId);
    this.members = all;
  }

  /** types takes a typing event; it ends by itself. */
  types(user: User, isTyping: boolean): void {
    clearTimeout(this.#timers.get(user.id));
    this.#timers.delete(user.id);
    const others = this.typing.filter((other) => other.id !== user.id);
    if (!isTyping || others.length >= MAX_TYPING) {
      if (others.length !== this.typing.length) this.typing = others;
      return;
    }
    if (others.length === this.typing.length) this.typing = [...others, user];
    this.#timers.set(user.id, setTimeout(() => this.types(user, false), TYPING_MS));
  }

  get here(): number {
    return this.hereCount >= 0 ? this.hereCount : inSight(this.members);
  }
}

/** inSight counts those who are known to be here. */
function inSight(members: ReadonlyMap<string, Member>): number {
  let count = 0;
  for (const member of members.values()) if (member.here) count++;
  return count;
}

/** forget takes away of some members whether they are here. */
function forget(all: Map<string, Member>, which: (member: Member) => boolean): void {
  for (const [id, member] of all) {
    if (member.here === undefined || !which(member)) continue;
    const { here: _, ...rest } = member;
    all.set(id, rest);
  }
}
