/** What can be filtered by, in groups, and by which list of the server its values are suggested. */

import { LISTS, type ListKind } from '../lists/catalogue';
import { OPERATORS, type Operator } from '../state/filters';

export const GROUPS = {
  page: ['page', 'entry_page', 'exit_page', 'hostname'],
  source: ['source', 'channel', 'referrer', 'utm_campaign', 'utm_source', 'utm_medium', 'utm_content', 'utm_term'],
  place: ['country', 'region', 'city_name'],
  device: ['device', 'browser', 'browser_version', 'os', 'os_version'],
  goal: ['goal', 'name'],
} as const;

export const DIMS = Object.values(GROUPS).flat();

/** The list whose rows are the values of a dimension; properties have lists of their own. */
export function suggestions(dim: string): ListKind | undefined {
  if (dim.startsWith('props.')) {
    return { ...LISTS.properties, key: 'value', dim, params: { property: dim.slice(6) } };
  }
  return Object.values<ListKind>(LISTS).find((list) => list.dim === dim);
}

/** What the server takes for a dimension. */
export function operatorsOf(dim: string): readonly Operator[] {
  return dim === 'goal' ? ['is', 'is_not', 'contains', 'contains_not'] : OPERATORS;
}
