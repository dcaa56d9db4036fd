/** What people call the values of a dimension. */

import { locale } from '../i18n';
import { t } from '../i18n/whole';

let regions: Intl.DisplayNames | undefined;

export function countryName(code: string): string {
  if (!/^[A-Z]{2}$/.test(code)) return code || t.list.unknown;
  regions ??= new Intl.DisplayNames(locale, { type: 'region' });
  return regions.of(code) ?? code;
}

/** A value as the page shows it; "" is said in words. */
export function valueName(dim: string, value: string): string {
  if (dim === 'country') return countryName(value);
  if (dim === 'region') return value || t.list.unknown;
  if (value) return dim === 'device' || dim === 'channel' ? (t.value[value.toLowerCase()] ?? value) : value;
  if (dim === 'source' || dim === 'referrer') return t.sources.direct;
  return dim.startsWith('utm_') ? t.list.none : t.list.unknown;
}

export function dimName(dim: string): string {
  return dim.startsWith('props.') ? dim.slice(6) : ((t.dim as Record<string, string>)[dim] ?? dim);
}
