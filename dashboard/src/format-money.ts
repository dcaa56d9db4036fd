/** Money as lists and the trend write it: the largest amount, and that there is more in other currencies. */

import type { Money } from './api/types';
import { NOTHING, number } from './format';

/** The part in `currency`, or without one the largest part. */
export function mainMoney(parts: Money, currency?: string): { amount: number; currency: string } | undefined {
  const all = parts.map((part) => ({ amount: Number(part.amount), currency: part.currency }));
  if (currency) return all.find((part) => part.currency === currency);
  return all.sort((a, b) => b.amount - a.amount)[0];
}

export function moneyText(parts: Money | null | undefined): string {
  if (!parts?.length) return NOTHING;
  return [...parts]
    .sort((a, b) => Number(b.amount) - Number(a.amount))
    .map(({ amount, currency }) => money(Number(amount), currency))
    .join(' + ');
}

export function money(amount: number, currency: string): string {
  const digits = Math.abs(amount) < 1_000 ? {} : { maximumFractionDigits: 0 };
  return number(amount, { style: 'currency', currency, ...digits });
}
