import { expect, test } from 'vitest';
import { pathOf } from './Sparkline';

test('the largest value is at the top, nothing at the bottom', () => {
  expect(pathOf([0, 10, 5])).toBe('M0 46L120 2L240 24');
});

test('a site without visitors is a line at the bottom, and no points are no line', () => {
  expect(pathOf([0, 0])).toBe('M0 46L240 46');
  expect(pathOf([])).toBe('');
});
