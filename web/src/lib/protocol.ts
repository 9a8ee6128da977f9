// The words of docs/protocol.md as types: what the server says, what it is asked.

export interface User { id: string; name: string; guest: boolean }
/** here is left out where it is not known. */
export interface Member extends User { here?: boolean }
export interface Room { id: string; name: string; topic?: string; private: boolean; owner: string; createdAt: number; members: number }
export type Membership = 'joined' | 'invited' | 'none';
export interface ListedRoom extends Room { state?: string }

export interface Message {
  id: string; roomId: string; seq: number; clientId?: string; user: User; text?: string; replyTo?: string; at: number;
  deleted?: boolean; reason?: string;
}
export interface Gap { roomId: string; from: number; to: number; reason: string }
export type Up = 'ok' | 'down' | 'behind';
export interface Status { log: Up; bus: Up; store: Up; draining?: boolean }

export interface Session {
  user: User; token?: string; log: string; serverTime: number; status?: Status;
  rooms?: { room: Room; state: string; since?: number }[]; roomsUnknown?: boolean;
}
export interface MemberEvent { seq: number; id: string; roomId: string; user: User; at: number; room?: Partial<Room> }
export interface UpdateEvent extends MemberEvent { name?: string; topic?: string }
export interface InviteEvent { seq?: number; id?: string; roomId?: string; user: User; invitee?: string; at: number; room?: Room }
export interface Presence { roomId: string; joined?: User[]; left?: User[]; count: number; stale?: boolean }
export interface Typing { roomId: string; user: User; isTyping: boolean }

export interface Opened { room: Room; members?: Member[]; messages: Message[]; hasMore: boolean; asOf: number }
export interface Page { messages: Message[]; hasMore: boolean; newer?: boolean; asOf: number; gap?: { from: number; to: number; reason: string } }
export interface MemberPage { members: Member[]; cursor?: string; count: number }

export interface Refusal { code: string; message: string; retryAfterMs?: number }
export type Answer<T> = { ok: true; data: T } | { ok: false; error: Refusal };

/** mayRetry tells the refusals after which the same clientId is to be sent again. */
export function mayRetry(code: string): boolean {
  return code === 'unavailable' || code === 'overloaded' || code === 'rate_limited' || code === 'unknown' || code === 'offline';
}

/** inWords says what a refusal means to a person who knows nothing of codes. */
export function inWords(refusal: Refusal): string {
  switch (refusal.code) {
    case 'too_large': return 'It is too long.';
    case 'forbidden': return 'You may not do this here.';
    case 'not_found': return 'There is no such room, or it is not open to you.';
    case 'rate_limited': return 'That was a lot at once. It goes on in a moment.';
    case 'overloaded': return 'The server is busy. It goes on in a moment.';
    case 'unavailable': return 'The server can not do this right now.';
    case 'unknown': return 'No answer came.';
    case 'offline': return 'There is no connection.';
    case 'internal': return 'The server made a mistake.';
    case 'invalid': return refusal.message ? `The server did not accept it: ${refusal.message}` : 'The server did not accept it.';
    default: return refusal.message || 'It did not work.';
  }
}

export function isUser(value: unknown): value is User {
  const user = value as User | null;
  return typeof user === 'object' && user !== null && typeof user.id === 'string' && typeof user.name === 'string';
}
