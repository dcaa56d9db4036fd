/** The rows of a list on a card: a bar for the size beside the largest, the number, its share. A click filters. */

import type { ListAnswer, Row } from '../api/types';
import { count, exact, metric as metricText } from '../format';
import { moneyText } from '../format-money';
import { share } from '../format-share';
import { t } from '../i18n/whole';
import { formatFilter } from '../state/filters';
import { withFilter } from '../state/with-filter';
import type { Route } from '../state/route';
import { Link } from '../state/router';
import { type Column, filterOf, type ListKind } from './catalogue';
import { OpenPage, RowName } from './RowName';

interface Props {
  list: ListKind;
  answer: ListAnswer;
  route: Route;
  site: string;
  /** All visitors of the range, for the shares. */
  visitors: number | undefined;
}

export function ListTable({ list, answer, route, site, visitors }: Props) {
  const { rows } = answer;
  const { main, beside } = list;
  const largest = Math.max(...rows.map((row) => row[main] ?? 0), 1);
  const whole = main === 'visits' ? rows.reduce((sum, row) => sum + (row.visits ?? 0), 0) : visitors;
  const paid = rows.some((row) => row.total_revenue?.length);
  const last = beside ?? (main === 'visitors' ? 'share' : undefined);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.lists[listTitle(list)]}</th>
          <th scope="col" class="number">
            {t.column[main]}
          </th>
          {last && (
            <th scope="col" class="number share">
              {last === 'share' ? t.list.share : t.column[last]}
            </th>
          )}
          {paid && (
            <th scope="col" class="number">
              {t.column.total_revenue}
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(list, row)}>
            <td>
              <Bar part={row[main] ?? 0} whole={largest} />
              <RowLink list={list} row={row} route={route} />
              {list.key === 'page' && <OpenPage site={site} page={row.page ?? ''} />}
            </td>
            <td class="number" title={exact(row[main])}>
              {count(row[main])}
            </td>
            {last && (
              <td class="number share">
                {last !== 'share' ? cell(row, last) : whole === undefined ? '' : share(row[main] ?? 0, whole)}
              </td>
            )}
            {paid && <td class="number">{moneyText(row.total_revenue)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Bar({ part, whole }: { part: number; whole: number }) {
  return <span class="bar" style={{ width: `${(part / whole) * 100}%` }} />;
}

/** The row's name; where it can be filtered by, a link that does so, and again to take the filter away. */
export function RowLink({ list, row, route }: { list: ListKind; row: Row; route: Route }) {
  const filter = filterOf(list, row);
  const inside = <RowName list={list} row={row} />;
  if (!filter && list.key !== 'property') return <span class="row-name">{inside}</span>;
  const same = filter && formatFilter(filter);
  const others = route.filters.filter((other) => formatFilter(other) !== same);
  const active = others.length < route.filters.length;
  const to: Partial<Route> = filter
    ? { filters: active ? others : withFilter(route.filters, filter), detail: undefined }
    : { detail: { list: `property.${row.property}`, sort: '', search: '', offset: 0 } };
  return (
    <Link class="row-name" to={to} aria-current={active ? 'true' : undefined}>
      {inside}
    </Link>
  );
}

export function cell(row: Row, column: Column): string {
  const value = row[column];
  if (Array.isArray(value)) return moneyText(value);
  return column === 'scroll_depth' && typeof value === 'number' ? share(value, 100) : metricText(column, value);
}

export function keyOf(list: ListKind, row: Row): string {
  return [row[list.key], row.channel, row.region, row.country, row.geoname_id, row.browser, row.os].join('\n');
}

export function listTitle(list: ListKind): keyof typeof t.lists {
  return (list.params?.tag ?? list.name) as keyof typeof t.lists;
}
