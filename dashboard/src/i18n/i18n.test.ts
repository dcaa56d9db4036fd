import { expect, test } from 'vitest';
import english from './en';
import { fill, plural, t } from './whole';

function keys(value: object, path = ''): string[] {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === 'object' && inner && !('other' in inner) ? keys(inner, `${path}${key}.`) : [`${path}${key}`],
  );
}

test('both halves of the catalogue together are the whole', () => {
  expect(t).toEqual(english);
});

test('every language has every key', () => {
  const languages = import.meta.glob<{ default: object }>('./??.ts', { eager: true });
  expect(Object.keys(languages)).toContain('./en.ts');
  for (const language of Object.values(languages)) {
    expect(keys(language.default).sort()).toEqual(keys(english).sort());
  }
});

test('a plural form is chosen by the count', () => {
  expect(plural({ one: '# event', other: '# events' }, 1, '1')).toBe('1 event');
  expect(plural({ one: '# event', other: '# events' }, 1_200, '1,200')).toBe('1,200 events');
});

test('a placeholder without a value stays visible', () => {
  expect(fill('{a} of {b}', { a: '1' })).toBe('1 of {b}');
});
