/** A whole list over the page: every column, sorted, searched, page by page, and as CSV. Its state is in the address. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { address, list as listRead, type Scope } from '../api/client';
import type { Figures, ListAnswer, Row, Site } from '../api/types';
import { change, count, exact } from '../format';
import { fill, t } from '../i18n/whole';
import { type Column, LISTS, type ListKind, type ListName, listOf } from '../lists/catalogue';
import { Bar, cell, keyOf, listTitle, RowLink } from '../lists/ListTable';
import { dimName } from '../lists/names';
import { OpenPage } from '../lists/RowName';
import { useQuery } from '../state/queries';
import type { Detail as DetailState, Route } from '../state/route';
import { Link, navigate } from '../state/router';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/more-icons';
import { Answered } from '../ui/Panel';

const ROWS = 50;
const CSV_ROWS = 1_000;
/** How long after the last letter a search begins. */
const TYPING_MS = 300;
const NOT_SORTED: readonly Column[] = ['total_revenue', 'average_revenue'];

interface Props {
  site: Site;
  route: Route;
  scope: Scope;
  detail: DetailState;
}

export function Detail({ site, route, scope, detail }: Props) {
  const close = () => navigate({ detail: undefined });
  const list = kindOf(detail.list, route);
  if (!list) return null;
  return <Opened key={detail.list + list.name} site={site} route={route} scope={scope} detail={detail} list={list} close={close} />;
}

/** undefined for an address that names no list. "property.plan" are the values of a property. */
export function kindOf(name: string, route: Route): ListKind | undefined {
  const property = name.startsWith('property.') ? name.slice(9) : undefined;
  if (property) {
    const dim = `props.${property}`;
    return { ...LISTS.properties, key: 'value', dim, params: { property } };
  }
  return Object.hasOwn(LISTS, name) ? listOf(name as ListName, route.filters) : undefined;
}

interface OpenedProps extends Props {
  list: ListKind;
  close: () => void;
}

function Opened({ site, route, scope, detail, list, close }: OpenedProps) {
  const asked = {
    ...list.params,
    ...(detail.sort && { sort: detail.sort }),
    ...(detail.search && { search: detail.search }),
  };
  const metrics = list.columns.join(',');
  const query = useQuery(listRead(list.name, scope, { ...asked, metrics, limit: ROWS, offset: detail.offset }));
  const turn = (changed: Partial<DetailState>): Partial<Route> => ({ detail: { ...detail, ...changed } });
  const title = list.params?.property ? dimName(list.dim ?? '') : (t.tab[detail.list] ?? t.lists[listTitle(list)]);
  const { compare: _, compare_from: _from, compare_to: _to, ...alone } = scope;
  const csv = address(`stats/${list.name}`, { ...alone, ...asked, metrics, limit: CSV_ROWS, format: 'csv' });
  return (
    <Dialog title={title} close={close}>
      <div class="finder">
        {list.searched !== false && (
          <Search value={detail.search} search={(search) => navigate(turn({ search, offset: 0 }), 'replace')} />
        )}
        <Pager query={query.data} detail={detail} turn={turn} />
        <a class="control" href={csv} download>
          <Icon name="download" />
          <span>CSV</span>
        </a>
      </div>
      <Answered query={query}>
        {(answer) =>
          answer.rows.length ? (
            <Table list={list} answer={answer} route={route} site={site.domain} turn={turn} sort={detail.sort} />
          ) : (
            <p class="empty">{detail.search ? t.list.notFound : t.list.empty}</p>
          )
        }
      </Answered>
    </Dialog>
  );
}

function Search({ value, search }: { value: string; search: (text: string) => void }) {
  const [text, setText] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => search(text.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  // Stepping back changes what was searched for, but not under the fingers of who types.
  useEffect(() => {
    if (input.current !== document.activeElement) setText(value);
  }, [value]);
  return (
    <input
      type="search"
      ref={input}
      // On a phone the keyboard would hide the list.
      autofocus={matchMedia('(hover: hover)').matches}
      value={text}
      maxLength={200}
      placeholder={t.list.search}
      aria-label={t.list.search}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}

interface PagerProps {
  query: ListAnswer | undefined;
  detail: DetailState;
  turn: (changed: Partial<DetailState>) => Partial<Route>;
}

function Pager({ query, detail, turn }: PagerProps) {
  const total = query?.total_rows ?? 0;
  const { offset } = detail;
  const last = Math.min(offset + ROWS, total);
  const go = (to: number) => navigate(turn({ offset: Math.max(0, to) }));
  return (
    <div class="pager">
      <span aria-live="polite">
        {total > 0 && fill(t.list.range, { from: count(offset + 1), to: count(last), total: count(total) })}
      </span>
      <button
        type="button"
        class="control plain step"
        disabled={offset === 0}
        aria-label={t.list.previous}
        onClick={() => go(offset - ROWS)}
      >
        <Icon name="earlier" />
      </button>
      <button
        type="button"
        class="control plain step"
        disabled={last >= total}
        aria-label={t.list.next}
        onClick={() => go(offset + ROWS)}
      >
        <Icon name="later" />
      </button>
    </div>
  );
}

interface TableProps {
  list: ListKind;
  answer: ListAnswer;
  route: Route;
  site: string;
  sort: string;
  turn: PagerProps['turn'];
}

function Table({ list, answer, route, site, sort, turn }: TableProps) {
  const columns = list.columns.filter((name) => answer.rows.some((row) => shows(row[name])));
  const largest = Math.max(1, ...answer.rows.map((row) => row[list.main] ?? 0));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.list.rows}>
      <table class="figures wide">
        <thead>
          <tr>
            <Head name={list.key} text={t.lists[listTitle(list)]} sort={sort} turn={turn} />
            {columns.map((name) => (
              <Head key={name} name={name} text={t.column[name]} sort={sort || `-${list.main}`} turn={turn} number />
            ))}
          </tr>
        </thead>
        <tbody>
          {answer.rows.map((row) => (
            <tr key={keyOf(list, row)}>
              <th scope="row">
                <Bar part={row[list.main] ?? 0} whole={largest} />
                <RowLink list={list} row={row} route={route} />
                {list.key === 'page' && <OpenPage site={site} page={row.page ?? ''} />}
              </th>
              {columns.map((name) => (
                <td key={name} class="number">
                  <Moved row={row} name={name} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A column without any number is no column; revenue that nothing brought comes as an empty list. */
function shows(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== null && value !== undefined;
}

/** A number and how it changed. */
function Moved({ row, name }: { row: Row; name: Column }) {
  const now = row[name];
  const before: Figures[Column] = row.comparison?.[name];
  const moved = typeof now === 'number' && typeof before === 'number' ? change(now, before) : undefined;
  const better = moved && moved.value > 0 !== (name === 'bounce_rate');
  return (
    <>
      {moved?.value ? <small class={`change ${better ? 'good' : 'bad'}`}>{moved.text}</small> : null}
      <span title={typeof now === 'number' ? exact(now) : undefined}>{cell(row, name)}</span>
    </>
  );
}

interface HeadProps {
  name: string;
  text: string;
  sort: string;
  turn: PagerProps['turn'];
  number?: boolean;
}

/** A column's name; a click sorts by it, numbers the largest first, another click the other way round. */
function Head({ name, text, sort, turn, number = false }: HeadProps) {
  const first = number ? `-${name}` : name;
  const second = number ? name : `-${name}`;
  const now = sort === first || sort === second ? sort : undefined;
  if (NOT_SORTED.includes(name as Column)) {
    return (
      <th scope="col" class="number">
        {text}
      </th>
    );
  }
  return (
    <th
      scope="col"
      class={number ? 'number' : ''}
      aria-sort={now ? (now.startsWith('-') ? 'descending' : 'ascending') : undefined}
    >
      <Link to={turn({ sort: now === first ? second : first, offset: 0 })}>{text}</Link>
    </th>
  );
}
