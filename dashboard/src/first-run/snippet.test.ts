import { expect, test } from 'vitest';
import { snippet } from './snippet';

test('the snippet names this server and the site', () => {
  expect(snippet('https://stats.example.com', 'example.com')).toBe(
    '<script async src="https://stats.example.com/tracker.js" data-domain="example.com"></script>',
  );
});

test('a name can not break out of its attribute', () => {
  expect(snippet('https://a.example', '"><script>')).toContain('data-domain="&quot;>&lt;script>"');
});
