import { expect, test } from 'vitest';
import { formatRoute, intervalFor, intervalsFor, METRICS, parseRoute, type Route, START } from './route';

test('a bare address is the default view', () => {
  expect(parseRoute('')).toEqual({ ...START, site: undefined, interval: undefined });
  expect(formatRoute(START)).toBe('/');
});

test('every state survives the address', () => {
  const routes: Route[] = [
    { ...START, site: 'example.com' },
    { ...START, site: 'münchen.example', range: { period: '12mo' }, metric: 'bounce_rate', interval: 'month', trend: 'table' },
    { ...START, site: 'a.example', range: { from: '2015-05-17', to: '2015-05-20' }, metric: 'visits', trend: 'chart' },
    {
      ...START,
      site: 'a.example',
      range: { period: 'last_month' },
      compare: { from: '2026-01-01', to: '2026-01-31' },
      filters: [
        { op: 'is', dim: 'page', values: ['/a|b', '/ä?x=1&y=2'] },
        { op: 'contains_not', dim: 'props.plan', values: ['pro'] },
      ],
      tabs: ['entry-pages', 'os'],
      detail: { list: 'pages', sort: '-pageviews', search: 'a b', offset: 50 },
      funnel: ['page:/pricing', 'event:Signup'],
      journey: ['/', '/pricing'],
    },
    { ...START, site: 'a.example', compare: 'off', metric: 'total_revenue' },
    ...METRICS.map((metric): Route => ({ ...START, site: 'a.example', metric })),
  ];
  for (const route of routes) {
    expect(parseRoute(formatRoute(route).slice(1))).toEqual({ ...START, ...route });
  }
});

test('an address that makes no sense shows the default', () => {
  const fallback = { ...START, site: undefined, interval: undefined };
  for (const search of [
    '?period=century&metric=users&interval=second&trend=pie',
    '?from=2026-02-30&to=2026-03-01',
    '?from=2026-03-02&to=2026-03-01',
    '?from=2026-03-02',
    '?compare=century&f=&f=is&f=x:y:z&sort=x&row=-1',
    '?site=',
    '?%E0%A4%A',
  ]) {
    expect(parseRoute(search)).toEqual(fallback);
  }
});

test('the interval follows the length of the range', () => {
  const of = (from: string, to: string) => intervalFor(START, { from, to });
  expect(of('2026-11-24', '2026-11-24')).toBe('hour');
  expect(of('2026-11-18', '2026-11-24')).toBe('day');
  expect(of('2026-06-01', '2026-11-24')).toBe('day');
  expect(of('2025-12-01', '2026-11-24')).toBe('month');
  expect(of('2015-01-01', '2026-11-24')).toBe('month');
});

test('an interval that does not suit the range is not used', () => {
  const days = { from: '2025-12-01', to: '2026-11-24' };
  expect(intervalFor({ ...START, interval: 'hour' }, days)).toBe('month');
  expect(intervalFor({ ...START, interval: 'day' }, days)).toBe('day');
  expect(intervalsFor({ from: '2026-11-24', to: '2026-11-24' })).toEqual(['hour']);
});
