import { expect, test } from 'vitest';
import { change, count, days, duration, exact, metric, NOTHING } from './format';
import { mainMoney, moneyText } from './format-money';
import { share } from './format-share';
import { instant, month, point } from './format-time';

test('numbers are grouped, and shortened when they are large', () => {
  expect(count(0)).toBe('0');
  expect(count(99_999)).toBe('99,999');
  expect(count(123_456)).toBe('123K');
  expect(count(10_000_000)).toBe('10M');
  expect(exact(10_000_000)).toBe('10,000,000');
});

test('what is not known is a dash and never a zero', () => {
  for (const nothing of [null, undefined, Number.NaN]) {
    expect(count(nothing)).toBe(NOTHING);
    for (const name of ['visitors', 'views_per_visit', 'bounce_rate', 'visit_duration'] as const) {
      expect(metric(name, nothing)).toBe(NOTHING);
    }
  }
  expect(count('12' as unknown as number)).toBe(NOTHING);
  expect(share(1, 0)).toBe(NOTHING);
});

test('each metric has its own unit', () => {
  expect(metric('bounce_rate', 46.7)).toBe('47%');
  expect(metric('bounce_rate', 0)).toBe('0%');
  expect(metric('visit_duration', 102)).toBe('1m 42s');
  expect(metric('views_per_visit', 3)).toBe('3.0');
  expect(metric('pageviews', 1234)).toBe('1,234');
});

test('a duration carries into the next unit', () => {
  expect(duration(59.4)).toBe('59s');
  expect(duration(59.6)).toBe('1m 00s');
  expect(duration(3_600)).toBe('1h 00m');
  expect(duration(7_499)).toBe('2h 05m');
});

test('a small share is not rounded to nothing', () => {
  expect(share(1, 1_000_000)).toBe('<0.1%');
  expect(share(45, 1_000)).toBe('4.5%');
  expect(share(1, 3)).toBe('33%');
  expect(share(0, 3)).toBe('0%');
});

test('a point is labelled with the wall clock of the site', () => {
  expect(point('2026-11-01T13:00:00+05:30', 'hour', 'short')).toBe('1:00 PM');
  expect(point('2026-11-01', 'day', 'short')).toBe('Nov 1');
  expect(point('2026-11-01', 'month', 'long')).toBe('November 2026');
  expect(month('2015-05-01')).toBe('May 2015');
});

test('an instant today is its time, an older one has its day', () => {
  const now = new Date('2026-11-24T12:00:00Z');
  expect(instant('2026-11-24T11:00:00Z', 'Europe/Berlin', now)).toBe('12:00 PM');
  expect(instant('2026-11-23T22:30:00Z', 'Europe/Berlin', now)).toBe('Nov 23, 11:30 PM');
  expect(instant('rubbish', 'Europe/Berlin', now)).toBe(NOTHING);
});

test('a range of one day is one day', () => {
  expect(days({ from: '2026-11-24', to: '2026-11-24' })).toBe('Nov 24, 2026');
});

test('hours are told by the clock of the site, up to the end of the last one', () => {
  const hours = { from: '2026-11-23T00:00:00+05:30', to: '2026-11-23T11:00:00+05:30' };
  expect(days(hours)).toBe('Nov 23, 2026, 12\u202fAM\u2009–\u200912\u202fPM');
});

test('a change is told by its sign, and only beside something', () => {
  expect(change(112, 100)).toEqual({ value: 12, text: '+12%' });
  expect(change(50, 100)).toEqual({ value: -50, text: '-50%' });
  expect(change(100.2, 100)).toEqual({ value: 0, text: '0%' });
  expect(change(3, 0)).toBeUndefined();
  expect(change(3, null)).toBeUndefined();
  expect(change(undefined, 3)).toBeUndefined();
});

test('money of several currencies is told one after the other, the largest first', () => {
  const parts = [
    { amount: '9.5', currency: 'USD' },
    { amount: '12345.6', currency: 'EUR' },
  ];
  expect(moneyText(parts)).toBe('€12,346 + $9.50');
  expect(moneyText([])).toBe(NOTHING);
  expect(mainMoney(parts)).toEqual({ amount: 12_345.6, currency: 'EUR' });
  expect(mainMoney(parts, 'USD')?.amount).toBe(9.5);
  expect(mainMoney(parts, 'GBP')).toBeUndefined();
});
