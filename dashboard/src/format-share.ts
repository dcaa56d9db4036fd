/** Shares, as lists write them. */

import { NOTHING, number } from './format';

/** A share between 0 and 1. */
export function share(part: number, whole: number): string {
  if (!whole) return NOTHING;
  const value = part / whole;
  if (value > 0 && value < 0.001) return `<${number(0.001, { style: 'percent', maximumFractionDigits: 1 })}`;
  return number(value, { style: 'percent', maximumFractionDigits: value < 0.0995 ? 1 : 0 });
}
