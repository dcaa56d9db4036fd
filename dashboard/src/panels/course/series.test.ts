import { expect, test } from 'vitest';
import type { Interval, TrendAnswer, TrendPoint } from '../../api/types';
import { labelled, scaleOf, seriesOf } from './series';

function answer(interval: Interval, fresh: string, ...points: [string, number, Partial<TrendPoint>?][]): TrendAnswer {
  return {
    site: 'example.com',
    timezone: 'Europe/Berlin',
    from: '2026-11-01',
    to: '2026-11-30',
    fresh_through: fresh,
    interval,
    points: points.map(([time, visits, more]) => ({ time, visitors: visits, visits, pageviews: 3 * visits, ...more })),
  };
}

test('the running day is not complete', () => {
  const days = answer('day', '2026-11-24T11:00:00Z', ['2026-11-23', 5], ['2026-11-24', 2]);
  expect(seriesOf(days, 'visits')).toEqual({ values: [5, 2], complete: 1 });
});

test('a day is over at midnight of the site', () => {
  const days = answer('day', '2026-11-23T23:00:00Z', ['2026-11-23', 5], ['2026-11-24', 0]);
  expect(seriesOf(days, 'visits')).toEqual({ values: [5, null], complete: 1 });
});

test('an hour that has not come is not an hour without visits', () => {
  const hours = answer(
    'hour',
    '2026-11-24T11:30:00Z',
    ['2026-11-24T11:00:00+01:00', 0],
    ['2026-11-24T12:00:00+01:00', 4],
    ['2026-11-24T13:00:00+01:00', 0],
  );
  expect(seriesOf(hours, 'visitors')).toEqual({ values: [0, 4, null], complete: 1 });
});

test('the repeated hour of a clock change is an hour of its own', () => {
  const hours = answer(
    'hour',
    '2026-10-25T05:00:00Z',
    ['2026-10-25T02:00:00+02:00', 1],
    ['2026-10-25T02:00:00+01:00', 2],
  );
  expect(seriesOf(hours, 'visits')).toEqual({ values: [1, 2], complete: 2 });
});

test('the running month is not complete', () => {
  const months = answer('month', '2026-11-24T11:00:00Z', ['2026-10-01', 9], ['2026-11-01', 4]);
  expect(seriesOf(months, 'visits')).toEqual({ values: [9, 4], complete: 1 });
});

test('views per visit are worked out, and unknown without a visit', () => {
  const days = answer('day', '2026-11-25T11:00:00Z', ['2026-11-23', 5], ['2026-11-24', 0]);
  expect(seriesOf(days, 'views_per_visit')?.values).toEqual([3, null]);
});

test('a metric that points do not carry has no series', () => {
  const days = answer('day', '2026-11-25T11:00:00Z', ['2026-11-23', 5]);
  expect(seriesOf(days, 'bounce_rate')).toBeUndefined();
  const more = answer('day', '2026-11-25T11:00:00Z', ['2026-11-23', 5, { bounce_rate: 40 }]);
  expect(seriesOf(more, 'bounce_rate')?.values).toEqual([40]);
});

test('the scale is round and holds the largest value', () => {
  expect(scaleOf([], 'visitors')).toEqual([0, 1]);
  expect(scaleOf([0, null], 'visitors')).toEqual([0, 1]);
  expect(scaleOf([3], 'visitors')).toEqual([0, 1, 2, 3]);
  expect(scaleOf([517], 'visitors')).toEqual([0, 200, 400, 600]);
  expect(scaleOf([10_000_000], 'visitors')).toEqual([0, 5_000_000, 10_000_000]);
  expect(scaleOf([1.7], 'views_per_visit')).toEqual([0, 0.5, 1, 1.5, 2]);
  expect(scaleOf([200], 'visit_duration')).toEqual([0, 60, 120, 180, 240]);
  expect(scaleOf([40_000], 'visit_duration')).toEqual([0, 10_800, 21_600, 32_400, 43_200]);
  expect(scaleOf([12], 'bounce_rate')).toEqual([0, 25, 50, 75, 100]);
});

test('labels keep their distance', () => {
  expect(labelled(24, 'hour', 12)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]);
  expect(labelled(30, 'day', 4)).toHaveLength(3);
  expect(labelled(1, 'day', 0)).toEqual([0]);
  for (const points of [1, 30, 365, 800]) expect(labelled(points, 'day', 8).length).toBeLessThanOrEqual(8);
});

test('days that are erased are not days on which nobody came', () => {
  const days = answer('day', '2026-11-24T11:00:00Z', ['2026-11-20', 0], ['2026-11-21', 0], ['2026-11-22', 3]);
  const removed = [{ from: '2026-11-01', to: '2026-11-20', why: 'retention', what: 'counts' } as const];
  expect(seriesOf({ ...days, removed }, 'visits')?.values).toEqual([null, 0, 3]);
});

test('a month that is erased in part only is shown with what is left of it', () => {
  const months = answer('month', '2026-11-24T11:00:00Z', ['2026-09-01', 0], ['2026-10-01', 0], ['2026-11-01', 4]);
  const removed = [{ from: '2026-09-01', to: '2026-10-15', why: 'request', what: 'counts' } as const];
  expect(seriesOf({ ...months, removed }, 'visits')?.values).toEqual([null, 0, 4]);
});
