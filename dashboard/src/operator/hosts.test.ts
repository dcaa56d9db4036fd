import { expect, test } from 'vitest';
import { addCommand, isHostname } from './hosts';

test('only what can be a hostname gets into a command', () => {
  for (const host of ['www.example.com', 'localhost', 'a-b.example', 'xn--mnchen-3ya.example', '127.0.0.1']) {
    expect(isHostname(host)).toBe(true);
  }
  for (const host of ['', '; rm -rf ~', '$(id).example', 'a b', '-help', '--alias', 'a..b', 'a.', 'a\nb', 'ä.example', 'a'.repeat(254)]) {
    expect(isHostname(host)).toBe(false);
  }
});

test('the command is the one the CLI takes', () => {
  expect(addCommand('www.x.com', 'Europe/Berlin')).toBe('statnive site add www.x.com --timezone Europe/Berlin');
});
