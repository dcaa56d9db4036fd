/** What the operator's page works out of two looks at the node's counters. */

import { locale } from '../i18n';
import { NOTHING } from '../format';
import type { OperatorStatus } from '../api/admin-types';

export interface Look {
  at: number;
  figures: Record<string, number>;
}

export function lookOf(status: OperatorStatus): Look {
  return { at: Date.parse(status.time), figures: status.figures };
}

/** Growth a second of the named counters together; undefined before the second look, and after a restart. */
export function rate(before: Look | undefined, now: Look, ...names: string[]): number | undefined {
  if (!before || now.at <= before.at) return undefined;
  const grown = sum(now, names) - sum(before, names);
  return grown < 0 ? undefined : (grown * 1000) / (now.at - before.at);
}

/** Mean of a quantity since the last look, or since the start when nothing happened since; undefined = never. */
export function mean(before: Look | undefined, now: Look, total: string, times: string): number | undefined {
  const grown = (now.figures[times] ?? 0) - (before?.figures[times] ?? 0);
  const base = grown > 0 ? before : undefined;
  const count = (now.figures[times] ?? 0) - (base?.figures[times] ?? 0);
  return count > 0 ? ((now.figures[total] ?? 0) - (base?.figures[total] ?? 0)) / count : undefined;
}

function sum({ figures }: Look, names: string[]): number {
  return names.reduce((all, name) => all + (figures[name] ?? 0), 0);
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** 12 kB · 3.4 GB */
export function bytes(value: number | undefined): string {
  if (value === undefined) return NOTHING;
  const at = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  const scaled = value / 1000 ** at;
  const options = { style: 'unit', unit: UNITS[at] ?? 'byte', unitDisplay: 'short' } as const;
  return new Intl.NumberFormat(locale, { ...options, maximumFractionDigits: scaled < 10 && at ? 1 : 0 }).format(scaled);
}

export function milliseconds(seconds: number | undefined): string {
  if (seconds === undefined) return NOTHING;
  const options = { style: 'unit', unit: 'millisecond', unitDisplay: 'short' } as const;
  return new Intl.NumberFormat(locale, { ...options, maximumFractionDigits: 1 }).format(seconds * 1000);
}

/** The caches by name, with what share of look-ups each answered; undefined = never asked. */
export function caches(figures: Record<string, number>): { name: string; hits: number | undefined }[] {
  const found = Object.keys(figures).flatMap((key) => /^cache_(\w+)_hits_total$/.exec(key)?.[1] ?? []);
  return found.map((name) => {
    const hits = figures[`cache_${name}_hits_total`] ?? 0;
    const asked = hits + (figures[`cache_${name}_misses_total`] ?? 0);
    return { name, hits: asked ? hits / asked : undefined };
  });
}
