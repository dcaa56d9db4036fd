import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8');

/** [light, dark] of each colour token. */
const tokens = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name = '', light = '', dark = '']) => [
    name,
    [light, dark],
  ]),
);

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const TEXT: [string, string[]][] = [
  ['ink', ['paper', 'card', 'raised', 'hover', 'bar', 'warn-soft']],
  ['ink-soft', ['paper', 'card', 'raised', 'hover', 'bar', 'warn-soft']],
  ['accent', ['paper', 'card', 'raised', 'hover']],
  ['on-accent', ['accent']],
  ['warn', ['paper', 'warn-soft']],
  ['bad', ['card']],
];
const DRAWN: [string, string[]][] = [
  ['accent', ['card']],
  ['line-strong', ['card', 'raised']],
];

function pairs(list: [string, string[]][]) {
  return list.flatMap(([front, backs]) => backs.flatMap((back) => [0, 1].map((theme) => ({ front, back, theme }))));
}

test.each(pairs(TEXT))('text $front on $back is readable (theme $theme)', ({ front, back, theme }) => {
  expect(contrast(tokens.get(front)?.[theme] ?? '', tokens.get(back)?.[theme] ?? '')).toBeGreaterThanOrEqual(4.5);
});

test.each(pairs(DRAWN))('$front on $back can be made out (theme $theme)', ({ front, back, theme }) => {
  expect(contrast(tokens.get(front)?.[theme] ?? '', tokens.get(back)?.[theme] ?? '')).toBeGreaterThanOrEqual(3);
});
