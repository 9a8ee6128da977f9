// UUIDs of version 7 (RFC 9562 §5.7). crypto.randomUUID is hidden from pages that came over plain http from a name;
// crypto.getRandomValues is always there.
import { now } from './clock';

/** uuidv7 makes an id whose first 48 bits are the time in ms and whose other 74 free bits are random. */
export function uuidv7(at = now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let time = Math.max(0, Math.floor(at));
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
