// Finds web addresses in a text. The parts go to the page as text nodes; only http and https ever become a link.

export interface Part { text: string; href?: string }

const address = /https?:\/\/[^\s<>"'`{}|\\^\u0000-\u001f]+/giu;

/** parts cuts a text into plain stretches and links, in order; joined they are the text again. */
export function parts(text: string): Part[] {
  const out: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(address)) {
    const raw = trimEnd(match[0]);
    const href = safe(raw);
    if (!href) continue;
    if (match.index > from) out.push({ text: text.slice(from, match.index) });
    out.push({ text: raw, href });
    from = match.index + raw.length;
  }
  if (from < text.length) out.push({ text: text.slice(from) });
  return out;
}

/** trimEnd gives back the full stop of the sentence and a bracket that was opened before the address. */
function trimEnd(raw: string): string {
  let end = raw.replace(/[.,;:!?…]+$/u, '');
  while (end.endsWith(')') && count(end, ')') > count(end, '(')) end = end.slice(0, -1).replace(/[.,;:!?…]+$/u, '');
  return end;
}

function count(text: string, sign: string): number {
  return text.split(sign).length - 1;
}

function safe(raw: string): string | undefined {
  try {
    const url = new URL(raw);
    return (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '' ? url.href : undefined;
  } catch {
    return undefined;
  }
}
