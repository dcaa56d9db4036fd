/** A list ranked by visitors, ten rows at a time, each with a bar for its size beside the largest. */

import type { ComponentChildren } from 'preact';
import type { ListAnswer } from '../../api/types';
import { count, exact, share } from '../../format';
import { fill, t } from '../../i18n/whole';
import type { Query } from '../../state/queries';
import { ROWS } from '../rows';
import { Icon } from '../../ui/icons';
import { Panel } from '../../ui/Panel';

interface Props<Row> {
  title: string;
  /** What one row is, over the first column. */
  head: string;
  /** Said when there is no row. */
  none: string;
  query: Query<ListAnswer<Row>>;
  /** All visitors of the range, for the shares. */
  visitors: number | undefined;
  offset: number;
  turn: (offset: number) => void;
  keyOf: (row: Row) => string;
  children: (row: Row) => ComponentChildren;
}

export function RankedList<Row extends { visitors: number }>(props: Props<Row>) {
  const { title, head, none, query, visitors, keyOf } = props;
  return (
    <Panel title={title} class="list" query={query} tools={<Pager {...props} />}>
      {({ rows }) => {
        if (!rows.length) return <p class="empty">{none}</p>;
        const sorted = [...rows].sort((a, b) => b.visitors - a.visitors);
        const largest = sorted[0]?.visitors ?? 0;
        return (
          <table>
            <thead>
              <tr>
                <th scope="col">{head}</th>
                <th scope="col" class="number">
                  {t.metric.visitors}
                </th>
                <th scope="col" class="number share">
                  {t.list.share}
                </th>
              </tr>
            </thead>
            <tbody>
              {sorted.map((row) => (
                <tr key={keyOf(row)}>
                  <td>
                    <span class="bar" style={{ width: `${largest ? (row.visitors / largest) * 100 : 0}%` }} />
                    {props.children(row)}
                  </td>
                  <td class="number" title={exact(row.visitors)}>
                    {count(row.visitors)}
                  </td>
                  <td class="number share">{visitors === undefined ? '' : share(row.visitors, visitors)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        );
      }}
    </Panel>
  );
}

function Pager<Row>({ query, offset, turn }: Props<Row>) {
  const total = query.data?.total_rows ?? 0;
  if (total <= ROWS) return null;
  const last = Math.min(offset + ROWS, total);
  return (
    <div class="pager">
      <span>{fill(t.list.range, { from: count(offset + 1), to: count(last), total: count(total) })}</span>
      <button
        type="button"
        class="control plain step"
        disabled={offset === 0}
        aria-label={t.list.previous}
        onClick={() => turn(Math.max(0, offset - ROWS))}
      >
        <Icon name="earlier" />
      </button>
      <button
        type="button"
        class="control plain step"
        disabled={last >= total}
        aria-label={t.list.next}
        onClick={() => turn(offset + ROWS)}
      >
        <Icon name="later" />
      </button>
    </div>
  );
}
