/** How lazy panels write times. */

import type { Interval } from './api/types';
import { dates, DAY, NOTHING } from './format';
import { utc } from './state/dates';

export function month(day: string): string {
  return dates({ year: 'numeric', month: 'long', timeZone: 'UTC' }).format(utc(day));
}

/** The label of a point: its wall-clock time at the site, whatever the browser's zone is. */
export function point(time: string, interval: Interval, length: 'short' | 'long'): string {
  const wall = Date.parse(`${time.slice(0, 16).padEnd(11, 'T').padEnd(16, '00:00')}Z`);
  if (Number.isNaN(wall)) return time;
  return dates(POINT[interval][length]).format(wall);
}

const POINT: Record<Interval, Record<'short' | 'long', Intl.DateTimeFormatOptions>> = {
  hour: {
    short: { hour: 'numeric', minute: '2-digit', timeZone: 'UTC' },
    long: { weekday: 'short', month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', timeZone: 'UTC' },
  },
  week: {
    short: { month: 'short', day: 'numeric', timeZone: 'UTC' },
    long: { weekday: 'short', ...DAY },
  },
  day: {
    short: { month: 'short', day: 'numeric', timeZone: 'UTC' },
    long: { weekday: 'short', ...DAY },
  },
  month: {
    short: { month: 'short', year: '2-digit', timeZone: 'UTC' },
    long: { month: 'long', year: 'numeric', timeZone: 'UTC' },
  },
};

/** An instant in the site's zone: the time alone today, with its day before that. */
export function instant(iso: string, timeZone: string, now: Date): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return NOTHING;
  const sameDay = dates({ dateStyle: 'short', timeZone });
  const time = { hour: 'numeric', minute: '2-digit', timeZone } as const;
  if (sameDay.format(date) === sameDay.format(now)) return dates(time).format(date);
  return dates({ month: 'short', day: 'numeric', ...time }).format(date);
}
