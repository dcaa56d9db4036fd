/** The whole state of the page is its address: what is here can be linked, bookmarked and stepped back to. */

import type { Interval, Metrics } from '../api/types';
import { type Days, dayCount, isDay, PERIODS, type Period, type Range } from './dates';

export const METRICS = [
  'visitors',
  'visits',
  'pageviews',
  'views_per_visit',
  'bounce_rate',
  'visit_duration',
] as const satisfies readonly (keyof Metrics)[];
export type Metric = (typeof METRICS)[number];

export const INTERVALS = ['hour', 'day', 'month'] as const satisfies readonly Interval[];

/** Pages beside the one of a site (or, with several sites and none named, their overview). */
export const VIEWS = ['settings', 'operator'] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view?: View | undefined;
  /** undefined: the only site, or all of them. */
  site?: string | undefined;
  range: Range;
  metric: Metric;
  /** undefined: what suits the range. */
  interval?: Interval | undefined;
  /** How the trend is shown. */
  trend: 'chart' | 'table';
}

export const START: Route = { range: { period: '30d' }, metric: 'visitors', trend: 'chart' };

/** Never fails: an address from elsewhere that makes no sense shows the default instead. */
export function parseRoute(search: string, path = '/'): Route {
  const params = new URLSearchParams(search);
  return {
    view: oneOf(VIEWS, path.slice(1)),
    site: params.get('site') || undefined,
    range: parseRange(params),
    metric: oneOf(METRICS, params.get('metric')) ?? START.metric,
    interval: oneOf(INTERVALS, params.get('interval')),
    trend: params.get('trend') === 'table' ? 'table' : 'chart',
  };
}

/** Defaults are left out, so that equal states have equal, short addresses. */
export function formatRoute(route: Route): string {
  const params = new URLSearchParams();
  if (route.site) params.set('site', route.site);
  // These pages know no range; coming back from one begins with the usual days.
  if (route.view) return params.size ? `/${route.view}?${params}` : `/${route.view}`;
  if ('from' in route.range) {
    params.set('from', route.range.from);
    params.set('to', route.range.to);
  } else if (route.range.period !== '30d') {
    params.set('period', route.range.period);
  }
  if (route.metric !== START.metric) params.set('metric', route.metric);
  if (route.interval) params.set('interval', route.interval);
  if (route.trend !== START.trend) params.set('trend', route.trend);
  return params.size ? `/?${params}` : '/';
}

function parseRange(params: URLSearchParams): Range {
  const from = params.get('from');
  const to = params.get('to');
  if (isDay(from) && isDay(to) && from <= to) return { from, to };
  return { period: oneOf<Period>(PERIODS, params.get('period')) ?? '30d' };
}

function oneOf<Text extends string>(allowed: readonly Text[], text: string | null): Text | undefined {
  return allowed.find((candidate) => candidate === text);
}

/** The intervals that give a readable number of points, finest first. */
export function intervalsFor(days: Days): Interval[] {
  const count = dayCount(days);
  if (count <= 1) return ['hour'];
  if (count <= 8) return ['hour', 'day'];
  if (count <= 62) return ['day'];
  return count <= 800 ? ['day', 'month'] : ['month'];
}

export function intervalFor(route: Route, days: Days): Interval {
  const allowed = intervalsFor(days);
  if (route.interval && allowed.includes(route.interval)) return route.interval;
  return allowed.includes('day') && dayCount(days) <= 180 ? 'day' : (allowed.at(-1) ?? 'day');
}
