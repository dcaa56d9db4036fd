/** The whole state of the page is its address: what is here can be linked, bookmarked and stepped back to. */

import type { Figures, Interval } from '../api/types';
import { type Days, dayCount, isDay, PERIODS, type Period, type Range } from './dates';
import { type Filter, formatFilter, parseFilter } from './filters';

export const METRICS = [
  'visitors',
  'visits',
  'pageviews',
  'views_per_visit',
  'bounce_rate',
  'visit_duration',
] as const satisfies readonly (keyof Figures)[];
/** What the trend can show: a headline number, or the revenue. */
export type Metric = (typeof METRICS)[number] | 'total_revenue';

export const INTERVALS = ['hour', 'day', 'week', 'month'] as const satisfies readonly Interval[];
/** What to compare with; `off`: with nothing. */
export const COMPARISONS = ['previous_period', 'year_before', 'off'] as const;
export type Comparison = (typeof COMPARISONS)[number] | Days;

/** Pages beside the one of a site (or, with several sites and none named, their overview). */
export const VIEWS = ['settings', 'operator'] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view?: View | undefined;
  /** The secret of a shared link. */
  auth?: string | undefined;
  /** Set for a page inside another one: its colours (`state/theme`); what leads elsewhere is left out then. */
  theme?: string | undefined;
  /** undefined: the only site, or all of them. */
  site?: string | undefined;
  range: Range;
  compare: Comparison;
  filters: readonly Filter[];
  metric: Metric;
  /** undefined: what suits the range. */
  interval?: Interval | undefined;
  /** How the trend is shown. */
  trend: 'chart' | 'table';
  /** Which tab each card of lists shows, where it is not its first one: "pages.entry-pages". */
  tabs: readonly string[];
  /** The list that is open in full, and how: its name, "sort", "q" and "row". */
  detail?: Detail | undefined;
  /** The steps of the funnel: "page:/pricing", "event:Signup". */
  funnel: readonly string[];
  /** The pages that a journey went by so far. */
  journey: readonly string[];
}

export interface Detail {
  list: string;
  /** A column, with "-" in front for the largest first; "" is the list's own order. */
  sort: string;
  search: string;
  offset: number;
}

export const START: Route = {
  view: undefined,
  site: undefined,
  range: { period: '30d' },
  compare: 'previous_period',
  filters: [],
  metric: 'visitors',
  interval: undefined,
  trend: 'chart',
  tabs: [],
  detail: undefined,
  funnel: [],
  journey: [],
};

/** Never fails: an address from elsewhere that makes no sense shows the default instead. */
export function parseRoute(search: string, path = '/'): Route {
  const params = new URLSearchParams(search);
  const list = params.get('list');
  return {
    view: oneOf(VIEWS, path.slice(1)),
    auth: params.get('auth') || undefined,
    theme: params.get('theme') || undefined,
    site: params.get('site') || undefined,
    range: parseRange(params),
    compare: parseDays(params, 'compare_') ?? oneOf(COMPARISONS, params.get('compare')) ?? START.compare,
    filters: params.getAll('f').flatMap((text) => parseFilter(text) ?? []),
    metric: oneOf([...METRICS, 'total_revenue'] as const, params.get('metric')) ?? START.metric,
    interval: oneOf(INTERVALS, params.get('interval')),
    trend: params.get('trend') === 'table' ? 'table' : 'chart',
    tabs: params.getAll('tab'),
    detail: list
      ? {
          list,
          sort: params.get('sort') ?? '',
          search: params.get('q') ?? '',
          offset: Math.max(0, Math.trunc(Number(params.get('row'))) || 0),
        }
      : undefined,
    funnel: params.getAll('step'),
    journey: params.getAll('via'),
  };
}

/** Defaults are left out, so that equal states have equal, short addresses. */
export function formatRoute(route: Route): string {
  const params = new URLSearchParams();
  const add = (key: string, value: string | undefined, usual = '') => value && value !== usual && params.append(key, value);
  const addDays = (days: Days, prefix = '') => {
    add(`${prefix}from`, days.from);
    add(`${prefix}to`, days.to);
  };
  const { range, compare, detail } = route;
  add('site', route.site);
  add('auth', route.auth);
  add('theme', route.theme);
  // These pages know no range; coming back from one begins with the usual days.
  if (route.view) return params.size ? `/${route.view}?${params}` : `/${route.view}`;
  if ('from' in range) addDays(range);
  else add('period', range.period, '30d');
  if (typeof compare === 'object') addDays(compare, 'compare_');
  else add('compare', compare, 'previous_period');
  for (const filter of route.filters) add('f', formatFilter(filter));
  add('metric', route.metric, START.metric);
  add('interval', route.interval);
  add('trend', route.trend, START.trend);
  for (const tab of route.tabs) add('tab', tab);
  if (detail) {
    add('list', detail.list);
    add('sort', detail.sort);
    add('q', detail.search);
    add('row', String(detail.offset), '0');
  }
  for (const step of route.funnel) add('step', step);
  for (const page of route.journey) add('via', page);
  return params.size ? `/?${params}` : '/';
}

function parseRange(params: URLSearchParams): Range {
  return parseDays(params, '') ?? { period: oneOf<Period>(PERIODS, params.get('period')) ?? '30d' };
}

function parseDays(params: URLSearchParams, prefix: string): Days | undefined {
  const from = params.get(`${prefix}from`);
  const to = params.get(`${prefix}to`);
  return isDay(from) && isDay(to) && from <= to ? { from, to } : undefined;
}

function oneOf<Text extends string>(allowed: readonly Text[], text: string | null): Text | undefined {
  return allowed.find((candidate) => candidate === text);
}

/** The intervals that give a readable number of points, finest first. */
export function intervalsFor(days: Days): Interval[] {
  const count = dayCount(days);
  if (count <= 1) return ['hour'];
  if (count <= 8) return ['hour', 'day'];
  if (count <= 31) return ['hour', 'day', 'week'];
  if (count <= 92) return ['day', 'week', 'month'];
  return count <= 800 ? ['day', 'week', 'month'] : ['week', 'month'];
}

export function intervalFor(route: Route, days: Days): Interval {
  const allowed = intervalsFor(days);
  if (route.interval && allowed.includes(route.interval)) return route.interval;
  const count = dayCount(days);
  return count <= 1 ? 'hour' : count <= 180 ? 'day' : 'month';
}
