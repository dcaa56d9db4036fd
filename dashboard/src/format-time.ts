/** How lazy panels write the time of a point. */

import type { Interval } from './api/types';
import { dates, DAY } from './format';
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
