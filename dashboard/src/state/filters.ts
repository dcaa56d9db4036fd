/**
 * Filters, as the address carries them ("f=is:page:/pricing") and as the API takes them (["is","event:page",["/x"]]).
 * Several hold together; a filter with several values holds for any of them.
 */

export const OPERATORS = ['is', 'is_not', 'contains', 'contains_not', 'matches', 'wildcard'] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Filter {
  op: Operator;
  /** "page", "country", "props.plan"; "segment" is a saved filter, its value the number. */
  dim: string;
  values: string[];
}

const OF_EVENTS = ['page', 'hostname', 'name', 'goal'];

/** undefined when the text is no filter. */
export function parseFilter(text: string): Filter | undefined {
  const [op, dim] = text.split(':', 2);
  if (!op || !dim || !OPERATORS.includes(op as Operator)) return undefined;
  const values: string[] = [''];
  let quoted = false;
  for (const char of text.slice(op.length + dim.length + 2)) {
    if (!quoted && char === '|') values.push('');
    else if (quoted || char !== '\\') values.push(values.pop() + char);
    quoted = !quoted && char === '\\';
  }
  return { op: op as Operator, dim: dim.replaceAll('~', ':'), values };
}

export function formatFilter({ op, dim, values }: Filter): string {
  return `${op}:${dim.replaceAll(':', '~')}:${values.map((value) => value.replace(/[\\|]/g, '\\$&')).join('|')}`;
}

/** The name of a dimension in the API. */
export function apiName(dim: string): string {
  if (dim === 'segment') return dim;
  if (dim.startsWith('props.')) return `event:props:${dim.slice(6)}`;
  return `${OF_EVENTS.includes(dim) ? 'event' : 'visit'}:${dim}`;
}

/** The `filters` parameter; "" without filters. */
export function apiFilters(filters: readonly Filter[]): string {
  if (!filters.length) return '';
  return JSON.stringify(
    filters.map(({ op, dim, values }) => [op, apiName(dim), dim === 'segment' ? values.map(Number) : values]),
  );
}
