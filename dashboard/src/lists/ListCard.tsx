/** A card of lists: tabs, the ten largest rows of the one that is chosen, and the way to all of them. */

import { useId } from 'preact/hooks';
import { list as listRead, type Scope } from '../api/client';
import type { Site } from '../api/types';
import { fill, t } from '../i18n/whole';
import { count } from '../format';
import { useQuery } from '../state/queries';
import type { Route } from '../state/route';
import { Link } from '../state/router';
import { scopeOf } from '../state/scope';
import { lazy } from '../ui/lazy';
import { Answered } from '../ui/Panel';
import { CARDS, type CardName, chosenTab, type ListName, listOf, type TabName, withTab } from './catalogue';
import { ListTable, listTitle } from './ListTable';

const WorldMap = lazy(async () => (await import('../map')).WorldMap);

/** Rows on a card. */
export const ROWS = 9;

export interface CardProps {
  site: Site;
  route: Route;
  scope: Scope;
  today: string;
  visitors: number | undefined;
}

export function ListCard({ card, ...props }: CardProps & { card: CardName }) {
  const { route } = props;
  const heading = useId();
  const tab = chosenTab(card, route);
  const tabs = CARDS[card] as readonly (readonly TabName[])[];
  const group = tabs.find((names) => names.includes(tab)) ?? [tab];
  return (
    <section class={`panel list ${tab === 'map' ? 'with-map' : ''}`} aria-labelledby={heading}>
      <header>
        <h2 id={heading} class="unseen">
          {t.cards[card]}
        </h2>
        <nav class="tabs" aria-label={t.cards[card]}>
          {tabs.map((names) => {
            const [first = tab] = names;
            const chosen = names === group;
            return (
              <Link
                key={first}
                to={{ tabs: withTab(card, first, route.tabs) }}
                aria-current={chosen ? 'true' : undefined}
              >
                {t.tab[first]}
              </Link>
            );
          })}
        </nav>
        {group.length > 1 && (
          <div class="segments small">
            {group.map((name) => (
              <Link
                key={name}
                to={{ tabs: withTab(card, name, route.tabs) }}
                aria-current={name === tab ? 'true' : undefined}
              >
                {t.lists[name as keyof typeof t.lists]}
              </Link>
            ))}
          </div>
        )}
      </header>
      {tab === 'map' ? (
        <MapBody {...props} />
      ) : (
        // Another list begins anew: the rows of the one before it mean nothing in it.
        <ListBody key={`${tab} ${listOf(tab, route.filters).name}`} {...props} name={tab} />
      )}
    </section>
  );
}

function ListBody({ name, site, route, today, visitors }: CardProps & { name: ListName }) {
  const list = listOf(name, route.filters);
  const query = useQuery(
    listRead(list.name, scopeOf(route, site.domain, today), { limit: ROWS, ...list.params }),
  );
  return (
    <>
      <Answered query={query}>
        {(answer) =>
          answer.rows.length ? (
            <ListTable list={list} answer={answer} route={route} site={site.domain} visitors={visitors} />
          ) : (
            <p class="empty">{name === 'goals' ? t.list.noGoal : t.list.empty}</p>
          )
        }
      </Answered>
      <footer>
        {query.data && query.data.total_rows > 0 && (
          <Link to={{ detail: { list: name, sort: '', search: '', offset: 0 } }} class="all">
            {fill(t.list.all, { count: count(query.data.total_rows) })}
            <span class="unseen"> {t.tab[name] ?? t.lists[listTitle(list)]}</span>
          </Link>
        )}
      </footer>
    </>
  );
}

function MapBody({ site, route, today }: CardProps) {
  const query = useQuery(listRead('countries', scopeOf(route, site.domain, today), { limit: 300 }));
  return (
    <>
      <Answered query={query}>{(answer) => <WorldMap rows={answer.rows} route={route} />}</Answered>
      <footer>
        {query.data && query.data.total_rows > 0 && (
          <Link to={{ tabs: withTab('places', 'countries', route.tabs) }} class="all">
            {t.map.table}
          </Link>
        )}
      </footer>
    </>
  );
}
