import type { Period } from '../state/dates';

/** The key that chooses each period. */
export const PERIOD_KEYS: Record<Period, string> = {
  day: 'D',
  yesterday: 'E',
  '7d': 'W',
  '28d': 'H',
  '30d': 'T',
  '91d': 'Q',
  month: 'M',
  last_month: 'P',
  year: 'Y',
  '12mo': 'L',
};
