/** From one range to the next: arithmetic that the first screen does without. */

import { addDays, dayCount, type Days, daysOf, monthStart, PERIODS, type Range, utc } from './dates';

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
