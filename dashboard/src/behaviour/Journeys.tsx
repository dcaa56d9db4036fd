/** Where visits went from page to page. A click on a page goes on from there; the way so far is in the address. */

import { list, type Scope } from '../api/client';
import { journeys } from '../api/more';
import { count } from '../format';
import { share } from '../format-share';
import { fill, t } from '../i18n/whole';
import type { CardProps } from '../lists/ListCard';
import { useQuery } from '../state/queries';
import { Link } from '../state/router';
import { scopeOf } from '../state/scope';
import { Icon } from '../ui/more-icons';
import { Answered } from '../ui/Panel';

const ROWS = 9;

export function Journeys({ site, route, today }: CardProps) {
  const page = route.journey.at(-1);
  const scope = scopeOf(route, site.domain, today);
  return (
    <>
      {route.journey.length > 0 && (
        <nav class="way" aria-label={t.journey.way}>
          <Link to={{ journey: [] }}>{t.journey.start}</Link>
          {route.journey.map((step, index) => (
            <span key={index}>
              <Icon name="later" />
              <Link
                to={{ journey: route.journey.slice(0, index + 1) }}
                aria-current={index === route.journey.length - 1 ? 'true' : undefined}
              >
                {step}
              </Link>
            </span>
          ))}
        </nav>
      )}
      {page === undefined ? (
        <Begins scope={scope} />
      ) : (
        <GoesOn key={page} scope={scope} page={page} journey={route.journey} />
      )}
      <footer />
    </>
  );
}

/** Where visits began. */
function Begins({ scope }: { scope: Scope }) {
  const query = useQuery(list('entry-pages', scope, { limit: ROWS }));
  return (
    <Answered query={query}>
      {({ rows }) => (
        <Moves
          head={t.journey.from}
          moves={rows.map((row) => ({ page: row.page ?? '', visits: row.visits ?? 0 }))}
          journey={[]}
        />
      )}
    </Answered>
  );
}

/** Where they went from a page. */
function GoesOn({ scope, page, journey }: { scope: Scope; page: string; journey: readonly string[] }) {
  const query = useQuery(journeys(scope, page));
  return (
    <Answered query={query}>
      {({ rows }) => (
        <Moves
          head={fill(t.journey.after, { page })}
          moves={rows.map(({ next, visits }) => ({ page: next, visits })).sort((a, b) => b.visits - a.visits)}
          journey={journey}
        />
      )}
    </Answered>
  );
}

interface MovesProps {
  head: string;
  /** "" is the end of the visit. */
  moves: readonly { page: string; visits: number }[];
  journey: readonly string[];
}

function Moves({ head, moves, journey }: MovesProps) {
  const views = moves.reduce((sum, move) => sum + move.visits, 0);
  const largest = Math.max(1, ...moves.map((move) => move.visits));
  if (!moves.length) return <p class="empty">{t.list.empty}</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{head}</th>
          <th scope="col" class="number">
            {t.column.visits}
          </th>
          <th scope="col" class="number share">
            {t.list.share}
          </th>
        </tr>
      </thead>
      <tbody>
        {moves.slice(0, ROWS).map((move) => (
          <tr key={move.page}>
            <td>
              <span class="bar" style={{ width: `${(move.visits / largest) * 100}%` }} />
              {move.page ? (
                <Link class="row-name" to={{ journey: [...journey, move.page] }}>
                  <span class="name" title={move.page}>
                    {move.page}
                  </span>
                </Link>
              ) : (
                <span class="row-name">
                  <i class="name">{t.journey.end}</i>
                </span>
              )}
            </td>
            <td class="number">{count(move.visits)}</td>
            <td class="number share">{share(move.visits, views)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
