/**
 * Calendar days as "YYYY-MM-DD" in the site's time zone. All arithmetic is on UTC midnights, so that no clock change
 * of the browser's own zone can move a day.
 */

const DAY_MS = 86_400_000;

export const PERIODS = ['day', 'yesterday', '7d', '28d', '30d', '91d', 'month', 'last_month', 'year', '12mo'] as const;
export type Period = (typeof PERIODS)[number];

export interface Days {
  from: string;
  to: string;
}

/** A named period, which moves on with the days, or fixed days. */
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
  const { period } = range;
  switch (period) {
    case 'day':
      return { from: today, to: today };
    case 'yesterday':
      return { from: addDays(today, -1), to: addDays(today, -1) };
    case 'month':
      return { from: monthStart(today, 0), to: today };
    case 'last_month':
      return { from: monthStart(today, -1), to: addDays(monthStart(today, 0), -1) };
    case 'year':
      return { from: `${today.slice(0, 4)}-01-01`, to: today };
    case '12mo':
      return { from: monthStart(today, -11), to: today };
    default:
      return { from: addDays(today, 1 - Number.parseInt(period)), to: today };
  }
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
