import type { Filter } from './filters';

/** The filters with one more; one on the same dimension with the same operator takes its values in its place. */
export function withFilter(filters: readonly Filter[], added: Filter): Filter[] {
  const same = ({ op, dim }: Filter) => op === added.op && dim === added.dim;
  return filters.some(same) ? filters.map((filter) => (same(filter) ? added : filter)) : [...filters, added];
}
