import { expect, test } from 'vitest';
import { latestMonth } from './history';

const point = (time: string, visits: number) => ({ time, visitors: visits, visits, pageviews: visits });

test('the latest month with a visit is offered as its days', () => {
  const points = [point('2015-05-01', 12), point('2015-06-01', 0), point('2026-11-01', 0)];
  expect(latestMonth(points, '2026-11-24')).toEqual({ from: '2015-05-01', to: '2015-05-31' });
});

test('the running month ends today', () => {
  expect(latestMonth([point('2026-11-01', 1)], '2026-11-24')).toEqual({ from: '2026-11-01', to: '2026-11-24' });
});

test('without any visit there is no month', () => {
  expect(latestMonth([point('2026-11-01', 0)], '2026-11-24')).toBeUndefined();
});
