import { expect, test } from 'vitest';
import { likeliest } from './Drops';

test('an unknown hostname is most likely that of the site with the longest common end', () => {
  const sites = ['other.org', 'example.com', 'shop.example.com'];
  expect(likeliest('m.shop.example.com', sites)).toBe('shop.example.com');
  expect(likeliest('www.example.com', sites)).toBe('example.com');
  expect(likeliest('nothing.alike', sites)).toBe('other.org');
  expect(likeliest('a', [])).toBeUndefined();
});
