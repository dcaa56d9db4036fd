/** Picks the language, and fills the sentences of its catalogue. */

import type { Catalogue } from './en';
import english from './en?first';
import type { FIRST } from './halves';

export type FirstHalf = Pick<Catalogue, (typeof FIRST)[number]>;

// One lazy chunk for each language beside en.ts, so that a new one costs nobody else a byte.
const others = import.meta.glob<{ default: Catalogue }>(['./??.ts', '!./en.ts']);

/** The sentences of the first screen; those of lazy panels are in `i18n/whole`. */
export const t: FirstHalf = english;
/** The locale of numbers and dates: the person's own one, if it is of the language shown. */
export let locale = 'en';

/** Once, before anything is drawn. */
export async function chooseLanguage(wanted: readonly string[]): Promise<void> {
  for (const tag of wanted) {
    const language = tag.slice(0, 2).toLowerCase();
    const load = others[`./${language}.ts`];
    if (language !== 'en' && !load) continue;
    if (load) Object.assign(t, (await load()).default);
    locale = tag;
    break;
  }
  document.documentElement.lang = locale;
  document.documentElement.dir = t.direction;
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
