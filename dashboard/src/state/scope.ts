/** What a route asks of the server: whose numbers, of which days, under which filters, beside which others. */

import type { Scope } from '../api/client';
import { type Days, daysOf, type Range } from './dates';
import { apiFilters } from './filters';
import type { Route } from './route';

/** Without the comparison: what lists ask for. `today` is the site's, or the browser's while that is not known. */
export function scopeOf(route: Route, site: string, today: string): Scope {
  const filters = apiFilters(route.filters);
  return { site, ...rangeOf(route.range, today), ...(filters && { filters }) };
}

/** With the comparison. */
export function comparedScopeOf(route: Route, site: string, today: string): Scope {
  const { compare } = route;
  const more =
    typeof compare === 'object'
      ? { compare: 'custom', compare_from: compare.from, compare_to: compare.to }
      : compare === 'off'
        ? {}
        : { compare };
  return { ...scopeOf(route, site, today), ...more };
}

/** The server moves on with the days by itself for the periods that it knows. */
function rangeOf(range: Range, today: string): { period: string } | Days {
  if ('from' in range) return { from: range.from, to: range.to };
  const { period } = range;
  return period === 'yesterday' || /mo|year/.test(period) ? daysOf(range, today) : { period };
}
