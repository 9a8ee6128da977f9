// What a person looks like before anything is known but the id and the name.

/** hueOf spreads ids over the colour wheel (degrees), the same on every screen. FNV-1a, 32 bits. */
export function hueOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) {
    hash ^= id.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  // Ids that differ in their last sign only must not look alike: mix every bit into every other (MurmurHash3's finish).
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash = (hash ^ (hash >>> 16)) >>> 0;
  return Math.floor((hash / 0x1_0000_0000) * 360);
}

const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** initials are the first letters of the first and the last word of a name: at most two signs as people count them. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  if (words.length === 0) return '?';
  const first = firstSign(words[0]!);
  const last = words.length > 1 ? firstSign(words[words.length - 1]!) : '';
  return (first + last).toLocaleUpperCase();
}

function firstSign(word: string): string {
  for (const { segment } of segments.segment(word)) return segment;
  return '';
}

/** onlyEmoji tells a text that is nothing but one to three emoji: it is shown large. */
export function onlyEmoji(text: string): boolean {
  const trimmed = text.trim();
  if (trimmed.length === 0 || trimmed.length > 48) return false;
  const signs = [...segments.segment(trimmed)].map((part) => part.segment).filter((sign) => sign.trim() !== '');
  return signs.length <= 3 && signs.every((sign) => /\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(sign));
}

const manners = ['Calm', 'Quiet', 'Merry', 'Brave', 'Gentle', 'Swift', 'Curious', 'Patient', 'Bright', 'Nimble', 'Mellow', 'Sunny', 'Kind', 'Witty', 'Steady', 'Lucky'];
const animals = ['Otter', 'Heron', 'Badger', 'Finch', 'Lynx', 'Hare', 'Robin', 'Seal', 'Fox', 'Wren', 'Marten', 'Swan', 'Newt', 'Owl', 'Beaver', 'Moth'];

/** inventName is what a newcomer is called until they say otherwise. */
export function inventName(): string {
  const [a, b] = crypto.getRandomValues(new Uint8Array(2));
  return `${manners[a! % manners.length]} ${animals[b! % animals.length]}`;
}
