import { expect, test } from 'vitest';
import { completed } from '../../catalogue';
import { w } from '../accounts/words';
import english from './en';
import { missingIn, placeholders, sentences } from './compare';
import { fill, plural, t } from './pages';

const languages = import.meta.glob<{ default: object }>(['./??.ts', '!./en.ts'], { eager: true });
const others = Object.entries(languages).map(([name, { default: catalogue }]) => [name.slice(2, 4), catalogue] as const);

test('the parts of the catalogue together are the whole', () => {
  expect({ ...t, accounts: w }).toEqual(english);
});

test('there are the languages that are promised', () => {
  expect(others.map(([language]) => language)).toEqual(expect.arrayContaining(['de', 'es', 'fa', 'fr']));
});

test.each(others)('%s has every sentence, and none that English does not have', (_, catalogue) => {
  expect(missingIn(english, catalogue)).toEqual([]);
  expect(missingIn(catalogue, english)).toEqual([]);
});

test.each(others)('%s has the plural forms that the language needs, and what is filled in', (language, catalogue) => {
  const needed = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
  const base = new Map(sentences(english));
  for (const [key, forms] of sentences(catalogue)) {
    const original = base.get(key);
    if (typeof original === 'object') expect(Object.keys(forms).sort(), key).toEqual([...needed].sort());
    const sample = typeof original === 'object' ? original.other : (original ?? '');
    for (const text of typeof forms === 'object' ? Object.values(forms) : [forms]) {
      expect(text, key).not.toBe('');
      expect(placeholders(text), key).toEqual(placeholders(sample));
    }
  }
});

test('what a language lacks is English, sentence by sentence', () => {
  const base = { a: { x: 'X', y: 'Y' }, b: { one: '#', other: '#s' } };
  expect(completed(base, { a: { x: 'Ix' } })).toEqual({ a: { x: 'Ix', y: 'Y' }, b: { one: '#', other: '#s' } });
  expect(completed(base, { b: { other: '## ' } })).toEqual({ a: { x: 'X', y: 'Y' }, b: { other: '## ' } });
});

test('a plural form is chosen by the count', () => {
  expect(plural({ one: '# event', other: '# events' }, 1, '1')).toBe('1 event');
  expect(plural({ one: '# event', other: '# events' }, 1_200, '1,200')).toBe('1,200 events');
});

test('a placeholder without a value stays visible', () => {
  expect(fill('{a} of {b}', { a: '1' })).toBe('1 of {b}');
});
