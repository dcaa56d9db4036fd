import { expect, test } from 'vitest';
import world from 'virtual:world';
import { SHADES, shadeOf } from './shade';

test('shades go from none to the darkest', () => {
  expect(shadeOf(0, 100)).toBe(0);
  expect(shadeOf(1, 100)).toBe(1);
  expect(shadeOf(10, 100)).toBe(3);
  expect(shadeOf(100, 100)).toBe(SHADES - 1);
  expect(shadeOf(1, 1)).toBe(SHADES - 1);
  expect(shadeOf(5, 0)).toBe(0);
});

test('the map has the countries of the world by their codes, within its frame', () => {
  const codes = Object.keys(world.paths);
  expect(codes.length).toBeGreaterThan(165);
  for (const code of ['DE', 'FR', 'US', 'BR', 'IN', 'CN', 'RU', 'AU', 'ZA', 'IR', 'XK', 'NZ']) expect(codes).toContain(code);
  expect(codes).not.toContain('AQ');
  for (const path of Object.values(world.paths)) {
    expect(path).toMatch(/^(M-?\d+ -?\d+l[-\d ]+z)+$/);
    for (const [, x, y] of path.matchAll(/M(-?\d+) (-?\d+)/g)) {
      expect(Number(x)).toBeGreaterThanOrEqual(-2);
      expect(Number(x)).toBeLessThanOrEqual(world.width + 2);
      expect(Number(y)).toBeGreaterThanOrEqual(0);
      expect(Number(y)).toBeLessThanOrEqual(world.height);
    }
  }
});
