import { expect, test } from 'vitest';
import { bytes, caches, type Look, mean, milliseconds, rate } from './figures';

const look = (at: number, figures: Record<string, number>): Look => ({ at, figures });

test('a rate is the growth between two looks, and unknown before the second and after a restart', () => {
  const before = look(1_000, { a: 10, b: 5 });
  expect(rate(undefined, before, 'a')).toBeUndefined();
  expect(rate(before, look(3_000, { a: 30, b: 5 }), 'a', 'b')).toBe(10);
  expect(rate(before, look(3_000, { a: 0 }), 'a')).toBeUndefined();
  expect(rate(before, before, 'a')).toBeUndefined();
});

test('a mean is that of the last seconds, or of all time when they were quiet', () => {
  const before = look(0, { s: 1, n: 100 });
  expect(mean(before, look(1, { s: 1.5, n: 110 }), 's', 'n')).toBeCloseTo(0.05);
  expect(mean(before, look(1, { s: 1, n: 100 }), 's', 'n')).toBeCloseTo(0.01);
  expect(mean(undefined, look(1, { s: 0, n: 0 }), 's', 'n')).toBeUndefined();
});

test('sizes and times have their unit, and what is not known is a dash', () => {
  expect(bytes(0)).toBe('0 byte');
  expect(bytes(1_234)).toBe('1.2 kB');
  expect(bytes(8_589_934_592)).toBe('8.6 GB');
  expect(bytes(undefined)).toBe('–');
  expect(milliseconds(0.0123)).toBe('12.3 ms');
  expect(milliseconds(undefined)).toBe('–');
});

test('a cache that was never asked has no share of hits', () => {
  expect(caches({ cache_agent_hits_total: 3, cache_agent_misses_total: 1, cache_page_hits_total: 0 })).toEqual([
    { name: 'agent', hits: 0.75 },
    { name: 'page', hits: undefined },
  ]);
});
