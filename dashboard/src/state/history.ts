/** Whether a site has ever had a visit, and when the last ones were. */

import { trend } from '../api/client';
import type { TrendPoint } from '../api/types';
import { addDays, type Days, monthStart } from './dates';
import { useQuery } from './queries';

/** The server reads at most ten years at a time; an imported log may be older than that. */
const MONTHS = 119;

export interface History {
  /** The last month with a visit. */
  latest: Days | undefined;
  /** There is no visit at all. */
  never: boolean;
  loading: boolean;
}

/** Looks only if there is a `site`, the older ten years only if the newer ones are empty. */
export function useHistory(site: string | undefined, today: string): History {
  const start = monthStart(today, -MONTHS);
  const recent = useQuery(site ? trend({ site, from: start, to: today }, 'month') : null);
  const latest = recent.data && latestMonth(recent.data.points, today);
  const older = useQuery(
    site && recent.data && !latest
      ? trend({ site, from: monthStart(start, -MONTHS), to: addDays(start, -1) }, 'month')
      : null,
  );
  const oldest = older.data && latestMonth(older.data.points, today);
  return {
    latest: latest ?? oldest,
    never: older.data !== undefined && !oldest,
    loading: recent.loading || older.loading,
  };
}

/** The last month with any visit, as the days to show; undefined when there never was one. */
export function latestMonth(points: readonly TrendPoint[], today: string): Days | undefined {
  const last = points.findLast((point) => point.visits || point.pageviews || point.visitors);
  if (!last) return undefined;
  const from = monthStart(last.time.slice(0, 10), 0);
  const end = addDays(monthStart(from, 1), -1);
  return { from, to: end < today ? end : today };
}
