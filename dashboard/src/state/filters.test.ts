import { expect, test } from 'vitest';
import { apiFilters, type Filter, formatFilter, parseFilter } from './filters';
import { withFilter } from './with-filter';

test('every filter survives the address', () => {
  const filters: Filter[] = [
    { op: 'is', dim: 'page', values: ['/pricing'] },
    { op: 'is_not', dim: 'country', values: ['DE', 'FR'] },
    { op: 'contains', dim: 'page', values: ['a|b', 'c\\d', 'e:f', ''] },
    { op: 'is', dim: 'source', values: [''] },
    { op: 'is', dim: 'props.a:b', values: ['x'] },
  ];
  for (const filter of filters) expect(parseFilter(formatFilter(filter))).toEqual(filter);
});

test('what is no filter is none', () => {
  for (const text of ['', 'is', 'is:', 'was:page:/x', ':page:/x', '__proto__:page:/']) {
    expect(parseFilter(text)).toBeUndefined();
  }
});

test('the API gets its own names, and a segment by its number', () => {
  expect(apiFilters([])).toBe('');
  expect(
    JSON.parse(
      apiFilters([
        { op: 'is', dim: 'page', values: ['/x'] },
        { op: 'contains', dim: 'utm_source', values: ['a', 'b'] },
        { op: 'is', dim: 'goal', values: ['Signup'] },
        { op: 'is', dim: 'props.plan', values: ['pro'] },
        { op: 'is', dim: 'segment', values: ['3'] },
      ]),
    ),
  ).toEqual([
    ['is', 'event:page', ['/x']],
    ['contains', 'visit:utm_source', ['a', 'b']],
    ['is', 'event:goal', ['Signup']],
    ['is', 'event:props:plan', ['pro']],
    ['is', 'segment', [3]],
  ]);
});

test('a second choice in a dimension takes the place of the first', () => {
  const page = (value: string): Filter => ({ op: 'is', dim: 'page', values: [value] });
  const other: Filter = { op: 'is_not', dim: 'page', values: ['/b'] };
  expect(withFilter([page('/a'), other], page('/c'))).toEqual([page('/c'), other]);
  expect(withFilter([other], page('/c'))).toEqual([other, page('/c')]);
});
