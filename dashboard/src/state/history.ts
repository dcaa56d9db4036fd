import type { TrendPoint } from '../api/types';
import { addDays, type Days, monthStart } from './dates';

/** The last month with any visit, as the days to show; undefined when there never was one. */
export function latestMonth(points: readonly TrendPoint[], today: string): Days | undefined {
  const last = points.findLast((point) => point.visits > 0 || point.pageviews > 0 || point.visitors > 0);
  if (!last) return undefined;
  const from = monthStart(last.time.slice(0, 10), 0);
  const end = addDays(monthStart(from, 1), -1);
  return { from, to: end < today ? end : today };
}
