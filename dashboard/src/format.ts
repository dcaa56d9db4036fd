/** Numbers, days and instants as the person's locale writes them. What is not known is a dash, never a 0. */

import { locale, t } from './i18n';
import { type Days, utc } from './state/dates';
import type { Figures } from './api/types';
import type { Metric } from './state/route';

export const NOTHING = '–';
/** Above this a number is shortened; its exact value is then in the title. */
const EXACT_BELOW = 100_000;

const made = new Map<string, unknown>();

/** Intl's formatters are slow to make and are asked for at every draw. */
function once<Made>(key: string, make: () => Made): Made {
  const id = `${locale} ${key}`;
  if (!made.has(id)) made.set(id, make());
  return made.get(id) as Made;
}

export function number(value: unknown, options: Intl.NumberFormatOptions): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return NOTHING;
  return once(JSON.stringify(options), () => new Intl.NumberFormat(locale, options)).format(value);
}

/** 1,234 · 12,345 · 1.23M */
export function count(value: number | null | undefined): string {
  if (value == null || value < EXACT_BELOW) return number(value, {});
  return number(value, { notation: 'compact', maximumSignificantDigits: 3 });
}

export function exact(value: number | null | undefined): string {
  return number(value, {});
}

/** 8s · 1m 23s · 2h 05m */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NOTHING;
  const whole = Math.round(seconds);
  if (t.direction === 'rtl') return clock(whole);
  if (whole < 60) return unit(whole, 'second');
  if (whole < 3600) return `${unit(Math.floor(whole / 60), 'minute')} ${unit(whole % 60, 'second', 2)}`;
  const minutes = Math.round(whole / 60);
  return `${unit(Math.floor(minutes / 60), 'hour')} ${unit(minutes % 60, 'minute', 2)}`;
}

/** 0:08 · 1:23 · 2:05:00. Intl's narrow units of right-to-left languages are Latin letters the wrong way round. */
function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  if (seconds >= 3600) parts.unshift(Math.floor(seconds / 3600));
  return parts.map((part, at) => number(part, { minimumIntegerDigits: at ? 2 : 1 })).join(':');
}

function unit(value: number, name: string, digits = 1): string {
  return number(value, {
    style: 'unit',
    unit: name,
    unitDisplay: 'narrow',
    minimumIntegerDigits: digits,
  });
}

const PERCENT = { style: 'percent', maximumFractionDigits: 0 } as const;
const PERCENT_FINE = { style: 'percent', maximumFractionDigits: 1 } as const;

export function metric(name: Metric | keyof Figures, value: number | null | undefined): string {
  switch (name) {
    case 'bounce_rate':
    case 'conversion_rate':
      return number(value == null ? value : value / 100, name === 'bounce_rate' ? PERCENT : PERCENT_FINE);
    case 'time_on_page':
    case 'visit_duration':
      return duration(value);
    case 'views_per_visit':
      return number(value, { maximumFractionDigits: 2, minimumFractionDigits: 1 });
    default:
      return count(value);
  }
}

/** From `before` to `now`, as "+12%"; undefined where there is nothing to compare with. */
export function change(
  now: number | null | undefined,
  before: number | null | undefined,
): { value: number; text: string } | undefined {
  if (now == null || !before) return undefined;
  const value = now / before - 1;
  return { value: Math.round(value * 100), text: number(value, PERCENT_MORE) };
}

const PERCENT_MORE = { style: 'percent', maximumFractionDigits: 0, signDisplay: 'exceptZero' } as const;

export function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return once(`d${JSON.stringify(options)}`, () => new Intl.DateTimeFormat(locale, options));
}

const HOUR_MS = 3_600_000;
export const DAY = { year: 'numeric', month: 'short', day: 'numeric', timeZone: 'UTC' } as const;

/** Days; or local hours, which a range that still runs is compared with: the last one is included. */
export function days({ from, to }: Days): string {
  const hours = from.includes('T');
  const at = (end: string) => utc(end.slice(0, 10)) + (Number(end.slice(11, 13)) || 0) * HOUR_MS;
  return dates(hours ? { ...DAY, hour: 'numeric' } : DAY).formatRange(at(from), at(to) + (hours ? HOUR_MS : 0));
}
