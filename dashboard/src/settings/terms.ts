/** How long days are kept, and what an erasure takes, in words. */

import type { Extent } from '../api/admin-types';
import { count, days, NOTHING } from '../format';
import { fill, plural, t } from '../i18n/pages';

/** "90d" and "13m" in words; "" is for ever. */
export function termText(term: string): string {
  const number = Number.parseInt(term, 10);
  if (!number) return t.settings.forever;
  return plural(term.endsWith('d') ? t.settings.keptDays : t.settings.keptMonths, number, count(number));
}

export function extentText({ rows, first_day, last_day }: Extent): string {
  if (!Object.values(rows).some(Boolean)) return t.settings.eraseNothing;
  return fill(t.settings.eraseThis, {
    count: count(rows.events_raw ?? 0),
    days: first_day && last_day ? days({ from: first_day, to: last_day }) : NOTHING,
  });
}
