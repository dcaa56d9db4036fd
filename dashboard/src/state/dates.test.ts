import { expect, test } from 'vitest';
import { addDays, dayCount, daysOf, isDay, todayIn } from './dates';
import { named, stepRange } from './steps';

const TODAY = '2026-11-24';

test('today is the day at the site, not in the browser', () => {
  const instant = new Date('2026-11-23T23:30:00Z');
  expect(todayIn('Europe/Berlin', instant)).toBe('2026-11-24');
  expect(todayIn('America/New_York', instant)).toBe('2026-11-23');
  expect(todayIn('Asia/Kolkata', instant)).toBe('2026-11-24');
});

test('a day that is not in the calendar is no day', () => {
  expect(isDay('2026-02-28')).toBe(true);
  expect(isDay('2026-02-30')).toBe(false);
  expect(isDay('2026-2-3')).toBe(false);
  expect(isDay("2026-01-01' OR 1")).toBe(false);
  expect(isDay(null)).toBe(false);
});

test('days are counted across clock changes', () => {
  expect(addDays('2026-03-28', 2)).toBe('2026-03-30');
  expect(dayCount({ from: '2026-10-24', to: '2026-10-26' })).toBe(3);
});

test('each period moves on with today', () => {
  expect(daysOf({ period: '7d' }, TODAY)).toEqual({ from: '2026-11-18', to: TODAY });
  expect(daysOf({ period: '30d' }, TODAY)).toEqual({ from: '2026-10-26', to: TODAY });
  expect(daysOf({ period: 'month' }, TODAY)).toEqual({ from: '2026-11-01', to: TODAY });
  expect(daysOf({ period: 'yesterday' }, TODAY)).toEqual({ from: '2026-11-23', to: '2026-11-23' });
  expect(daysOf({ period: '91d' }, TODAY)).toEqual({ from: '2026-08-26', to: TODAY });
  expect(daysOf({ period: 'last_month' }, TODAY)).toEqual({ from: '2026-10-01', to: '2026-10-31' });
  expect(daysOf({ period: 'year' }, TODAY)).toEqual({ from: '2026-01-01', to: TODAY });
  expect(daysOf({ period: '12mo' }, TODAY)).toEqual({ from: '2025-12-01', to: TODAY });
});

test('a step back goes to the days just before', () => {
  expect(stepRange({ period: 'day' }, TODAY, -1)).toEqual({ period: 'yesterday' });
  expect(stepRange({ period: '7d' }, TODAY, -1)).toEqual({ from: '2026-11-11', to: '2026-11-17' });
});

test('months step by whole months, whatever their length', () => {
  expect(stepRange({ period: 'month' }, TODAY, -1)).toEqual({ period: 'last_month' });
  expect(stepRange({ from: '2026-03-01', to: '2026-03-31' }, TODAY, -1)).toEqual({
    from: '2026-02-01',
    to: '2026-02-28',
  });
  expect(stepRange({ period: '12mo' }, TODAY, -1)).toEqual({ from: '2024-12-01', to: '2025-11-30' });
});

test('a step back and one forth is where it began', () => {
  for (const period of ['day', '7d', '30d', 'month', '12mo'] as const) {
    const back = stepRange({ period }, TODAY, -1);
    expect(back && stepRange(back, TODAY, 1)).toEqual({ period });
  }
});

test('there is no step into the future', () => {
  expect(stepRange({ period: '7d' }, TODAY, 1)).toBeUndefined();
  expect(stepRange({ from: '2026-11-10', to: '2026-11-19' }, TODAY, 1)).toEqual({ from: '2026-11-20', to: TODAY });
});

test('days that a period names are called by its name', () => {
  expect(named({ from: '2026-11-18', to: TODAY }, TODAY)).toEqual({ period: '7d' });
  expect(named({ from: '2026-11-17', to: TODAY }, TODAY)).toEqual({ from: '2026-11-17', to: TODAY });
});
