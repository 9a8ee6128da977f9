// Times as people say them. All take ms since 1970 and speak in the reader's own zone.

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'short' });
const longDay = new Intl.DateTimeFormat('en-GB', { weekday: 'long' });
const dayMonth = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const longDayMonth = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'medium' });

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** daysBetween counts the midnights from one time to another; summer time does not confuse it. */
export function daysBetween(from: number, to: number): number {
  return Math.round((midnight(to) - midnight(from)) / 86_400_000);
}

export function sameDay(a: number, b: number): boolean {
  return midnight(a) === midnight(b);
}

/** timeOfDay is 14:05. */
export function timeOfDay(at: number): string {
  return clock.format(at);
}

/** timeWords is 14:05 today, Tue 14:05 within the week, 3 Nov this year, 3 Nov 2024 before. */
export function timeWords(at: number, now: number): string {
  const days = daysBetween(at, now);
  if (days <= 0) return timeOfDay(at);
  if (days < 7) return `${weekday.format(at)} ${timeOfDay(at)}`;
  const day = dayMonth.format(at);
  return sameYear(at, now) ? day : `${day} ${new Date(at).getFullYear()}`;
}

/** dayWords heads a day: Today, Yesterday, Tuesday, Tuesday 3 November, 3 Nov 2024. */
export function dayWords(at: number, now: number): string {
  const days = daysBetween(at, now);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days < 7) return longDay.format(at);
  return sameYear(at, now) ? longDayMonth.format(at).replace(',', '') : `${dayMonth.format(at)} ${new Date(at).getFullYear()}`;
}

/** exactly is the whole date and time, for who points at it. */
export function exactly(at: number): string {
  return full.format(at);
}

function sameYear(a: number, b: number): boolean {
  return new Date(a).getFullYear() === new Date(b).getFullYear();
}
