import { expect, test } from 'vitest';
import { extentText, termText } from './terms';

test('a term is said in words', () => {
  expect(termText('')).toBe('for ever');
  expect(termText('90d')).toBe('90 days');
  expect(termText('1m')).toBe('1 whole month before this one');
  expect(termText('13m')).toBe('13 whole months before this one');
});

test('what would go is said, and that nothing would', () => {
  const extent = { rows: { events_raw: 1234, daily_pages: 5 }, first_day: '2026-11-01', last_day: '2026-11-30' };
  expect(extentText(extent).replace(/\s/g, ' ')).toMatch(/^1,234 events go, of Nov 1 – 30, 2026/);
  expect(extentText({ rows: { events_raw: 0 }, first_day: null, last_day: null })).toBe('There is nothing in these days.');
});
