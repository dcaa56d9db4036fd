/** An amount as the locale writes it. `value` is a decimal as text, and Intl takes it as such: no float on the way. */

import { locale } from '../i18n';

export function money(value: string, currency: string): string {
  try {
    return new Intl.NumberFormat(locale, { style: 'currency', currency }).format(value as unknown as number);
  } catch {
    return `${value} ${currency}`;
  }
}
