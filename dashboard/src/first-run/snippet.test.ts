import { expect, test } from 'vitest';
import { KINDS, snippet, snippetFor } from './snippet';

test('the snippet names this server and the site', () => {
  expect(snippet('https://stats.example.com', 'example.com')).toBe(
    '<script async src="https://stats.example.com/tracker.js" data-domain="example.com"></script>',
  );
});

test('every way of putting it there names both', () => {
  for (const kind of KINDS) {
    const text = snippetFor(kind, 'https://stats.example.com', 'example.com');
    expect(text).toContain('https://stats.example.com/tracker.js');
    expect(text).toContain('example.com');
  }
});

test('a name can not break out of its place', () => {
  const name = `"><script>'alert(1)\\`;
  expect(snippet('https://a.example', name)).toContain(`data-domain="&quot;>&lt;script>'alert(1)\\"`);
  expect(snippetFor('wordpress', 'https://a.example', name)).toContain("&lt;script>\\'alert(1)\\\\\"");
  for (const kind of ['nextjs', 'gtm'] as const) {
    const text = snippetFor(kind, 'https://a.example', '</script>"');
    expect(text).toContain('"\\u003c/script>\\""');
    expect(text.match(/<\/script>/g) ?? []).toHaveLength(kind === 'gtm' ? 1 : 0);
  }
});
