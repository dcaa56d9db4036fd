/** What the filter button opens: what to filter by, and saved segments. */

import { useState } from 'preact/hooks';
import { list } from '../api/client';
import { ApiError, post, segments as segmentsRead } from '../api/more';
import type { Site } from '../api/types';
import { fill, t } from '../i18n/whole';
import { dimName } from '../lists/names';
import { apiFilters, type Filter } from '../state/filters';
import { withFilter } from '../state/with-filter';
import { mayWrite } from '../state/may';
import { useQuery } from '../state/queries';
import { reload } from '../state/refresh';
import type { Route } from '../state/route';
import { Link, navigate } from '../state/router';
import { scopeOf } from '../state/scope';
import { todayIn } from '../state/dates';
import { said } from '../ui/Failure';
import { Find, found } from '../ui/Find';
import { Icon } from '../ui/more-icons';
import type { Close } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';
import { GROUPS } from './dims';
import { FilterEditor } from './FilterEditor';

interface Props {
  site: Site;
  route: Route;
  close: Close;
}

export function FilterMenu({ site, route, close }: Props) {
  const [dim, setDim] = useState('');
  const [find, setFind] = useState('');
  if (dim) {
    const done = (added: Filter) => {
      navigate({ filters: withFilter(route.filters, added) });
      close();
    };
    return (
      <PopoverPanel key={dim} title={dimName(dim)} close={close}>
        <FilterEditor site={site.domain} route={route} filter={{ op: 'is', dim, values: [] }} done={done} back={() => setDim('')} />
      </PopoverPanel>
    );
  }
  const fits = (name: string) => found(dimName(name), find);
  return (
    <PopoverPanel title={t.filterBar.add} close={close}>
      <Find label={t.filter.find} value={find} set={setFind} />
      <div class="dims">
        {Object.entries(GROUPS).map(([group, dims]) => {
          const shown = dims.filter(fits);
          return (
            shown.length > 0 && (
              <div key={group}>
                <h3>{t.filter.group[group as keyof typeof GROUPS]}</h3>
                <ul class="choices">
                  {shown.map((name) => (
                    <Choice key={name} name={name} choose={setDim} />
                  ))}
                </ul>
              </div>
            )
          );
        })}
        <Properties site={site.domain} route={route} fits={fits} choose={setDim} />
      </div>
      <Segments site={site} route={route} close={close} />
    </PopoverPanel>
  );
}

function Choice({ name, choose }: { name: string; choose: (dim: string) => void }) {
  return (
    <li>
      <button type="button" onClick={() => choose(name)}>
        {dimName(name)}
      </button>
    </li>
  );
}

interface PropertiesProps {
  site: string;
  route: Route;
  fits: (name: string) => boolean;
  choose: (dim: string) => void;
}

function Properties({ site, route, fits, choose }: PropertiesProps) {
  const today = todayIn(undefined, new Date());
  const rows = useQuery(list('properties', scopeOf(route, site, today), { limit: 20 })).data?.rows ?? [];
  const names = rows.map(({ property }) => `props.${property}`).filter(fits);
  if (!names.length) return null;
  return (
    <div>
      <h3>{t.lists.properties}</h3>
      <ul class="choices">
        {names.map((name) => (
          <Choice key={name} name={name} choose={choose} />
        ))}
      </ul>
    </div>
  );
}

/** Saved filters: apply one; who looks after the site may save those that hold, and forget one. */
function Segments({ site: of, route }: Props) {
  const site = of.domain;
  const saved = useQuery(segmentsRead(site)).data?.segments ?? [];
  const writes = mayWrite(of);
  const [name, setName] = useState('');
  const [wrong, setWrong] = useState('');
  const send = async (path: string, body: object) => {
    try {
      await post(path, { site, ...body });
      setWrong('');
      setName('');
    } catch (error) {
      setWrong(error instanceof ApiError ? said(error) || t.error.kind[error.kind] : String(error));
    }
    reload(segmentsRead(site));
  };
  const own = writes ? route.filters.filter(({ dim }) => dim !== 'segment') : [];
  if (!saved.length && !own.length) return null;
  return (
    <section class="segments-saved">
      <h3>{t.segments.title}</h3>
      <ul class="saved">
        {saved.map(({ id, name: text }) => (
          <li key={id}>
            <Link
              to={{ filters: withFilter(route.filters, { op: 'is', dim: 'segment', values: [String(id)] }) }}
              class="name"
            >
              <Icon name="bookmark" /> {text}
            </Link>
            {writes && (
              <button
                type="button"
                class="control plain step"
                aria-label={fill(t.segments.remove, { name: text })}
                onClick={() => {
                  const used = ({ dim, values }: Filter) => dim === 'segment' && values[0] === String(id);
                  if (route.filters.some(used)) navigate({ filters: route.filters.filter((filter) => !used(filter)) });
                  void send(`segments/${id}/remove`, {});
                }}
              >
                <Icon name="close" />
              </button>
            )}
          </li>
        ))}
      </ul>
      {own.length > 0 && (
        <form
          class="save"
          onSubmit={(event) => {
            event.preventDefault();
            void send('segments', { name, filters: JSON.parse(apiFilters(own)) });
          }}
        >
          <input
            type="text"
            required
            maxLength={100}
            value={name}
            placeholder={t.segments.name}
            aria-label={t.segments.name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <button type="submit" class="control main">
            {t.segments.save}
          </button>
        </form>
      )}
      {wrong && (
        <p class="wrong" role="alert">
          {wrong}
        </p>
      )}
    </section>
  );
}
