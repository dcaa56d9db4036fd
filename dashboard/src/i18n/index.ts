/** Picks the language, and fills the sentences of its catalogue. */

import type { Catalogue } from './en';
import english from './en?first';
import type { FIRST } from './halves';

export type FirstHalf = Pick<Catalogue, (typeof FIRST)[number]>;

// One lazy chunk for each language beside en.ts, so that a new one costs nobody else a byte.
const first = import.meta.glob<FirstHalf>(['./??.ts', '!./en.ts'], { query: '?first', import: 'default' });
const rest = import.meta.glob<Partial<Catalogue>>('./??.ts', { query: '?rest', import: 'default' });

/** The sentences of the first screen. `i18n/whole` has all, from the moment on that `restOfSentences` resolved. */
export const t: FirstHalf = english;
/** The locale of numbers and dates: the person's own one, if it is of the language shown. */
export let locale = 'en';

let language = 'en';
let whole: Promise<unknown> | undefined;

export async function chooseLanguage(wanted: readonly string[]): Promise<void> {
  for (const tag of wanted) {
    const candidate = tag.slice(0, 2).toLowerCase();
    const load = first[`./${candidate}.ts`];
    if (candidate !== 'en' && !load) continue;
    if (load) Object.assign(t, await load());
    [language, locale] = [candidate, tag];
    break;
  }
  document.documentElement.lang = locale;
  document.documentElement.dir = t.direction;
}

export function restOfSentences(): Promise<unknown> {
  whole ??= rest[`./${language}.ts`]?.().then((half) => Object.assign(t, half));
  return whole ?? Promise.resolve();
}

export function fill(sentence: string, values: Record<string, string>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

export type Plural = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

/** The form for `count`; `shown` is how the number is written. */
export function plural(forms: Plural, count: number, shown: string): string {
  const form = new Intl.PluralRules(locale).select(count);
  return (forms[form] ?? forms.other).replace('#', shown);
}
