/** One filter in the making: how to compare, and with what. Values that there are, are suggested while one types. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { list as listRead } from '../api/client';
import { count } from '../format';
import { t } from '../i18n/whole';
import { dimName, valueName } from '../lists/names';
import { todayIn } from '../state/dates';
import type { Filter, Operator } from '../state/filters';
import { useQuery } from '../state/queries';
import type { Route } from '../state/route';
import { scopeOf } from '../state/scope';
import { Icon } from '../ui/more-icons';
import { operatorsOf, suggestions } from './dims';

/** So many values are suggested at a time. */
const ROWS = 8;
const TYPING_MS = 200;

interface Props {
  site: string;
  /** Its filters narrow what is suggested. */
  route: Route;
  filter: Filter;
  done: (filter: Filter) => void;
  back?: () => void;
}

export function FilterEditor({ site, route, filter, done, back }: Props) {
  const { dim } = filter;
  const [op, setOp] = useState<Operator>(filter.op);
  const [values, setValues] = useState<string[]>(filter.values);
  const [text, setText] = useState('');
  const input = useRef<HTMLInputElement>(null);
  const exactly = op === 'is' || op === 'is_not';
  const all = text.trim() && !exactly ? [...values, text.trim()] : values;
  const add = (value: string) => {
    if (!values.includes(value)) setValues([...values, value]);
    setText('');
    input.current?.focus();
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        const chosen = all.length || !text.trim() ? all : [text.trim()];
        if (chosen.length) done({ op, dim, values: chosen });
      }}
    >
      <header>
        {back && (
          <button type="button" class="control plain step" aria-label={t.filter.back} onClick={back}>
            <Icon name="earlier" />
          </button>
        )}
        <h3>{dimName(dim)}</h3>
        <select
          aria-label={t.filter.operator}
          value={op}
          onChange={(event) => setOp(event.currentTarget.value as Operator)}
        >
          {operatorsOf(dim).map((name) => (
            <option key={name} value={name}>
              {t.test[name]}
            </option>
          ))}
        </select>
      </header>
      {values.length > 0 && (
        <ul class="values">
          {values.map((value) => (
            <li key={value}>
              <button type="button" onClick={() => setValues(values.filter((other) => other !== value))}>
                {exactly ? valueName(dim, value) : value}
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <input
        ref={input}
        data-first
        type="text"
        value={text}
        maxLength={500}
        placeholder={t.filter.value}
        aria-label={t.filter.value}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {exactly && <Suggested site={site} route={route} dim={dim} text={text} taken={values} add={add} />}
      <button type="submit" class="control main" disabled={!all.length && !text.trim()}>
        {t.filter.apply}
      </button>
    </form>
  );
}

interface SuggestedProps {
  site: string;
  route: Route;
  dim: string;
  text: string;
  taken: readonly string[];
  add: (value: string) => void;
}

function Suggested({ site, route, dim, text, taken, add }: SuggestedProps) {
  const [search, setSearch] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setSearch(text.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const list = suggestions(dim);
  // Countries are stored as codes: their names are searched here.
  const coded = dim === 'country' || list?.searched === false;
  const scope = scopeOf(route, site, todayIn(undefined, new Date()));
  const params = { ...list?.params, limit: coded ? 300 : ROWS + taken.length };
  const asked = list && listRead(list.name, scope, { ...params, ...(search && !coded && { search }) });
  const query = useQuery(asked ?? null);
  if (!list) return null;
  const wanted = text.trim().toLowerCase();
  const rows = (query.data?.rows ?? []).filter((row) => {
    const value = String(row[list.key] ?? '');
    return !taken.includes(value) && (!coded || valueName(dim, value).toLowerCase().includes(wanted));
  });
  return (
    <ul class="choices suggested" aria-busy={query.loading}>
      {rows.slice(0, ROWS).map((row) => {
        const value = String(row[list.key] ?? '');
        return (
          <li key={value}>
            <button type="button" onClick={() => add(value)}>
              <span class="name">{valueName(dim, value)}</span>
              <small class="number">{count(row[list.main])}</small>
            </button>
          </li>
        );
      })}
      {!rows.length && !query.loading && <li class="note">{query.error ? t.error.title : t.list.notFound}</li>}
    </ul>
  );
}
