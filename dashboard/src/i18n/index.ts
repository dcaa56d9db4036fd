/** Picks the language, and fills the sentences of its catalogue. */

import type { Catalogue } from './en';
import english from './en?first';
import type { ACCOUNTS, FIRST, PAGES } from './halves';

export type FirstHalf = Pick<Catalogue, (typeof FIRST)[number]>;
export type Pages = Pick<Catalogue, (typeof PAGES)[number]>;
export type Accounts = Pick<Catalogue, (typeof ACCOUNTS)[number]>;
export type Rest = Omit<Catalogue, keyof FirstHalf | keyof Pages | keyof Accounts>;

// One lazy chunk for each language beside en.ts, so that a new one costs nobody else a byte.
const others = import.meta.glob<{ default: Catalogue }>(['./??.ts', '!./en.ts'], { query: '?whole' });
export const LANGUAGES = ['en', ...Object.keys(others).map((name) => name.slice(2, 4))];
const KEY = 'language';

/** The sentences of the first screen; those of lazy panels are in `i18n/whole`. */
export const t: FirstHalf = english;
/** The locale of numbers and dates: the person's own one, if it is of the language shown. */
export let locale = 'en';

/** Once, before anything is drawn. What was chosen here goes before what the browser prefers. */
export async function chooseLanguage(preferred: readonly string[]): Promise<void> {
  const own = remembered();
  for (const tag of own ? [...preferred.filter((tag) => tag.startsWith(own)), own] : preferred) {
    const language = tag.slice(0, 2).toLowerCase();
    if (!LANGUAGES.includes(language)) continue;
    const load = others[`./${language}.ts`];
    if (load) Object.assign(t, (await load()).default);
    document.documentElement.lang = tag;
    // Days and months are cut by this calendar, whatever the language's own one is.
    locale = `${tag.split('-u-')[0]}-u-ca-gregory`;
    break;
  }
  document.documentElement.dir = t.direction;
}

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is blocked: the browser's languages then
  }
}

/** From the next page load on. */
export function rememberLanguage(language: string): void {
  localStorage.setItem(KEY, language);
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
