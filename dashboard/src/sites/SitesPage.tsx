/** Every site at a glance: who has how many visitors, and how that went. One request for all of them. */

import { useState } from 'preact/hooks';
import { allSites } from '../api/admin';
import type { SiteSummary } from '../api/admin-types';
import { AddSite } from '../first-run/AddSite';
import { count, exact } from '../format';
import { plural, t } from '../i18n/pages';
import { daysOf, todayIn } from '../state/dates';
import { useQuery } from '../state/queries';
import { intervalFor, type Route } from '../state/route';
import { Link } from '../state/router';
import { Answered } from '../ui/Panel';
import { found } from '../ui/Find';
import { FindSite } from './FindSite';
import { Sparkline } from './Sparkline';
import './sites.css';

const AGAIN_MS = 60_000;

export function SitesPage({ route, operator }: { route: Route; operator: boolean | undefined }) {
  const interval = intervalFor(route, daysOf(route.range, todayIn(undefined, new Date())));
  const query = useQuery(allSites({ ...route.range }, interval), AGAIN_MS);
  const [find, setFind] = useState('');
  const [adding, setAdding] = useState(false);
  return (
    <>
      <div class="sites-head">
        <h1>{t.site.all}</h1>
        <FindSite count={query.data?.sites.length ?? 0} value={find} set={setFind} />
        {operator && (
          <button type="button" class="control" aria-expanded={adding} onClick={() => setAdding(!adding)}>
            {t.add.title}
          </button>
        )}
      </div>
      {adding && (
        <section class="panel">
          <AddSite />
        </section>
      )}
      <Answered query={query}>{({ sites }) => <Cards sites={sites} find={find} />}</Answered>
    </>
  );
}

function Cards({ sites, find }: { sites: SiteSummary[]; find: string }) {
  const shown = sites
    .filter(({ site }) => found(site, find))
    .sort((a, b) => (b.metrics.visitors ?? 0) - (a.metrics.visitors ?? 0));
  if (!shown.length) return <p class="empty">{t.sites.none}</p>;
  return (
    <ul class="cards">
      {shown.map((each) => (
        <li key={each.site}>
          <Card {...each} />
        </li>
      ))}
    </ul>
  );
}

function Card({ site, metrics, points, stale }: SiteSummary) {
  const { visitors = 0, pageviews = 0 } = metrics;
  return (
    <Link class="panel card" to={{ site, view: undefined }}>
      <h2 class="name" title={site}>
        {site}
      </h2>
      <Sparkline values={points.map((point) => point.visitors ?? 0)} />
      <p class="numbers">
        <strong title={exact(visitors)}>{count(visitors)}</strong>
        <span>{plural(t.realtime.visitors, visitors, '')}</span>
        <small>{plural(t.realtime.pageviews, pageviews, count(pageviews))}</small>
      </p>
      {stale && <p class="note">{t.add.stale}</p>}
    </Link>
  );
}
