/** What the trend chart and its table twin draw: pure, so that it can be tested without a canvas. */

import type { Interval, Note, TrendAnswer, TrendPoint } from '../../api/types';
import { addDays, todayIn } from '../../state/dates';
import type { Metric } from '../../state/route';

export interface Series {
  /** One for each point; null is "not known", which is drawn as nothing. */
  values: (number | null)[];
  /** So many points are over; those after them are still filling up and drawn dashed. */
  complete: number;
}

/** undefined when the answer does not carry this metric for each point. */
export function seriesOf(answer: TrendAnswer, metric: Metric): Series | undefined {
  const { points } = answer;
  const currency = currencyOf(answer);
  if (points.length && !points.some((point) => valueOf(point, metric, currency) !== undefined)) return undefined;
  const { complete, started } = progress(answer);
  const values = points.map((point, index) => {
    if (!point.visits && isGone(answer, point.time)) return null; // erased: nobody knows whether anybody came
    // An hour that has not come yet is zero-filled by the server, but nobody has stayed away from it.
    if (index >= started && !valueOf(point, metric, currency) && !point.visits) return null;
    return valueOf(point, metric, currency) ?? null;
  });
  return { values, complete };
}

/** Whether all days of the point at `time` are erased. */
function isGone({ removed, interval }: TrendAnswer, time: string): boolean {
  const first = time.slice(0, 10);
  return !!removed?.some(({ from, to }) => from <= first && endOf(first, interval) <= (interval === 'month' ? addDays(to, 1) : to));
}

/** The values of the range compared with, one for each point as far as there are; undefined without a comparison. */
export function comparisonOf(answer: TrendAnswer, metric: Metric): (number | null)[] | undefined {
  const before = answer.comparison?.points;
  return before && answer.points.map((_, index) => {
    const point = before[index];
    return (point && valueOf(point, metric, currencyOf(answer))) ?? null;
  });
}

/** The currency that most points have revenue in: one line has one currency. */
export function currencyOf({ points }: TrendAnswer): string {
  const found = new Map<string, number>();
  for (const { currency } of points.flatMap((point) => point.total_revenue ?? [])) {
    found.set(currency, (found.get(currency) ?? 0) + 1);
  }
  return [...found].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '';
}

/** The notes of each point's days, by its number. */
export function notesAt({ points, interval }: TrendAnswer, notes: readonly Note[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const { day, text } of notes) {
    const index = interval === 'hour'
      ? points.findIndex(({ time }) => time.startsWith(day))
      : points.findLastIndex(({ time }) => time.slice(0, 10) <= day);
    const last = points.at(-1)?.time.slice(0, 10) ?? '';
    if (index < 0 || (index === points.length - 1 && day > endOf(last, interval))) continue;
    found.set(index, [found.get(index), text].filter(Boolean).join(' · '));
  }
  return found;
}

function endOf(day: string, interval: Interval): string {
  if (interval === 'month') return `${day.slice(0, 7)}-31`;
  return interval === 'week' ? addDays(day, 6) : day;
}

const inIt = (currency: string) => (part: { currency: string }) => part.currency === currency;

function valueOf(point: TrendPoint, metric: Metric, currency: string): number | null | undefined {
  if (metric === 'views_per_visit' && point.views_per_visit === undefined) {
    return point.visits ? (point.pageviews ?? 0) / point.visits : null;
  }
  if (metric === 'total_revenue') {
    return point.total_revenue && Number(point.total_revenue.find(inIt(currency))?.amount ?? 0);
  }
  return point[metric];
}

function progress({ points, interval, timezone, fresh_through }: TrendAnswer) {
  const fresh = Date.parse(fresh_through);
  if (Number.isNaN(fresh)) return { complete: points.length, started: points.length };
  const over = marker(fresh, interval, timezone);
  const begun = marker(fresh - 1, interval, timezone);
  const before = (test: (time: string) => boolean) => points.filter((point) => test(point.time)).length;
  if (interval === 'hour') {
    return {
      complete: before((time) => Date.parse(time) + 3_600_000 <= fresh),
      started: before((time) => Date.parse(time) < fresh),
    };
  }
  return {
    complete: before((time) => time.slice(0, over.length) < over),
    started: before((time) => time.slice(0, begun.length) <= begun),
  };
}

/** The site's day or month at an instant, as points are named. */
function marker(time: number, interval: Interval, timezone: string): string {
  const day = todayIn(timezone, new Date(time));
  // A week is called by its Monday.
  if (interval === 'week') return addDays(day, -((new Date(`${day}T00:00Z`).getUTCDay() + 6) % 7));
  return day.slice(0, interval === 'month' ? 7 : 10);
}

const STEPS: Record<'count' | 'seconds', number[]> = {
  count: [1, 2, 5],
  seconds: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600],
};

/** Round values from 0 up to at least the largest one; at most `most` steps. */
export function scaleOf(values: readonly (number | null)[], metric: Metric, most = 4): number[] {
  const top = Math.max(0, ...values.map((value) => value ?? 0));
  if (metric === 'bounce_rate') return [0, 25, 50, 75, 100];
  const step = stepFor(top / most, metric);
  const ticks = [0];
  while ((ticks.at(-1) ?? 0) < top || ticks.length < 2) ticks.push(ticks.length * step);
  return ticks;
}

function stepFor(least: number, metric: Metric): number {
  if (metric === 'visit_duration') {
    const step = STEPS.seconds.find((seconds) => seconds >= least);
    return step ?? Math.ceil(least / 3600) * 3600;
  }
  const whole = metric !== 'views_per_visit' && metric !== 'total_revenue';
  if (least <= (whole ? 1 : 0.5)) return whole ? 1 : 0.5;
  const magnitude = 10 ** Math.floor(Math.log10(least));
  return (STEPS.count.find((step) => step * magnitude >= least) ?? 10) * magnitude;
}

const STRIDES: Record<Interval, number[]> = {
  hour: [1, 2, 3, 4, 6, 12, 24, 48],
  week: [1, 2, 4, 8, 13, 26, 52],
  day: [1, 2, 3, 5, 7, 14, 28, 56, 91, 182],
  month: [1, 2, 3, 6, 12, 24, 60],
};

/** Which points get a label below them, so that no more than `most` do. */
export function labelled(points: number, interval: Interval, most: number): number[] {
  const stride = STRIDES[interval].find((step) => points / step <= most) ?? Math.ceil(points / Math.max(1, most));
  return Array.from({ length: Math.ceil(points / stride) }, (_, index) => index * stride);
}
