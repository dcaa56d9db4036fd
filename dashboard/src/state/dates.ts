/**
 * Calendar days as "YYYY-MM-DD" in the site's time zone. All arithmetic is on UTC midnights, so that no clock change
 * of the browser's own zone can move a day.
 */

const DAY_MS = 86_400_000;

export const PERIODS = ['day', '7d', '30d', 'month', '12mo'] as const;
export type Period = (typeof PERIODS)[number];

export interface Days {
  from: string;
  to: string;
}

/** A named period that ends today and moves on with it, or fixed days. */
export type Range = { period: Period } | Days;

export function isDay(text: string | null): text is string {
  return text !== null && /^\d{4}-\d\d-\d\d$/.test(text) && dayOf(utc(text)) === text;
}

const calendars = new Map<string, Intl.DateTimeFormat>();

/** Without a zone it is the browser's own day, told without Intl: making its first formatter takes a slow phone long. */
export function todayIn(timezone: string | undefined, now: Date): string {
  if (!timezone) return dayOf(now.getTime() - now.getTimezoneOffset() * 60_000);
  let calendar = calendars.get(timezone);
  if (!calendar) {
    const parts = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
    calendar = new Intl.DateTimeFormat('en-u-ca-iso8601-nu-latn', { timeZone: timezone, ...parts });
    calendars.set(timezone, calendar);
  }
  const { year, month, day } = Object.fromEntries(calendar.formatToParts(now).map(({ type, value }) => [type, value]));
  return `${year}-${month}-${day}`;
}

export function addDays(day: string, count: number): string {
  return dayOf(utc(day) + count * DAY_MS);
}

/** How many days the range covers, both ends included. */
export function dayCount({ from, to }: Days): number {
  return Math.round((utc(to) - utc(from)) / DAY_MS) + 1;
}

export function daysOf(range: Range, today: string): Days {
  if ('from' in range) return range;
  switch (range.period) {
    case 'day':
      return { from: today, to: today };
    case '7d':
      return { from: addDays(today, -6), to: today };
    case '30d':
      return { from: addDays(today, -29), to: today };
    case 'month':
      return { from: monthStart(today, 0), to: today };
    case '12mo':
      return { from: monthStart(today, -11), to: today };
  }
}

/**
 * The range just before (-1) or after (+1) this one: whole months step by months, everything else by its length.
 * undefined when it would lie in the future.
 */
export function stepRange(range: Range, today: string, direction: -1 | 1): Range | undefined {
  const { from, to } = daysOf(range, today);
  const months = wholeMonths({ from, to }, today);
  const days = dayCount({ from, to }) * direction;
  const start = months ? monthStart(from, months * direction) : addDays(from, days);
  const end = months ? addDays(monthStart(start, months), -1) : addDays(to, days);
  if (start > today) return undefined;
  return named({ from: start, to: end < today ? end : today }, today);
}

/** The period these days are today, so that stepping back and forth ends where it began. */
export function named(days: Days, today: string): Range {
  const period = PERIODS.find((candidate) => {
    const other = daysOf({ period: candidate }, today);
    return other.from === days.from && other.to === days.to;
  });
  return period ? { period } : days;
}

/** 0 unless the days are whole calendar months; the last of them may still be running. */
function wholeMonths({ from, to }: Days, today: string): number {
  const complete = to === today || addDays(to, 1).endsWith('-01');
  if (!from.endsWith('-01') || !complete || (from === to && from === today)) return 0;
  const start = new Date(utc(from));
  const end = new Date(utc(to));
  return (end.getUTCFullYear() - start.getUTCFullYear()) * 12 + end.getUTCMonth() - start.getUTCMonth() + 1;
}

export function monthStart(day: string, months: number): string {
  const date = new Date(utc(day));
  return dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1));
}

export function utc(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

function dayOf(time: number): string {
  return Number.isNaN(time) ? '' : new Date(time).toISOString().slice(0, 10);
}
