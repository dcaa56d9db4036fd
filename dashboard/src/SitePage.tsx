/** Everything about one site in one range. Without a site it is its own placeholder. */

import { useState } from 'preact/hooks';
import * as api from './api/client';
import type { Site } from './api/types';
import { FilterBar } from './bar/FilterBar';
import { t } from './i18n';
import { Headline } from './panels/Headline';
import type { Emptied } from './first-run/Emptiness';
import { todayIn } from './state/dates';
import { useQuery } from './state/queries';
import type { Route } from './state/route';
import { comparedScopeOf } from './state/scope';
import { useKeys } from './state/keys';
import { lazy, panel } from './ui/lazy';

const Emptiness = lazy(async () => (await import('./first-run')).Emptiness, () => null);
const Trend = lazy(async () => (await import('./panels/course')).Trend, (inside) => (
  <>
    <div class="tools" />
    <div class="body">{inside}</div>
  </>
));
const Cards = lazy(async () => (await import('./lists')).Cards, (inside) => (
  <div class="reports">
    {panel('list')(inside)}
    {panel('list')(inside)}
  </div>
));
const Help = lazy(async () => (await import('./keys')).Help, () => null);
const Freshness = lazy(async () => (await import('./panels/course')).Freshness, () => <div class="freshness" />);
const Detail = lazy(async () => (await import('./detail')).Detail, () => null);

export function SitePage({ site, route }: { site: Site | undefined; route: Route }) {
  const [help, setHelp] = useKeys();
  const today = todayIn(site?.timezone, new Date());
  const scope = site && comparedScopeOf(route, site.domain, today);
  const overview = useQuery(scope ? api.overview(scope) : null);
  const metrics = overview.outdated ? undefined : overview.data?.metrics;
  const empty = metrics !== undefined && !metrics.visits && !metrics.pageviews && !metrics.visitors;
  // Nothing in these days: has there ever been anything, and when?
  const [emptied, setEmptied] = useState<Emptied>();
  const asks = site && empty && !route.filters.length;
  const emptiness = asks && <Emptiness site={site} today={today} tell={setEmptied} />;
  if (asks && emptied?.never) {
    return (
      <>
        <h1 class="unseen">{site.domain}</h1>
        {emptiness}
      </>
    );
  }
  // Until that is known, zeros are not worth showing: the page may be about to become the first run's.
  const undecided = asks && !emptied;
  const shown = undecided ? { ...overview, data: undefined } : overview;
  const ready = site && scope && !undecided ? { site, route, scope, today } : undefined;
  return (
    <>
      <h1 class="unseen">{site ? site.domain : t.loading}</h1>
      {emptiness}
      <div class="toolbar">
        <FilterBar site={site} route={route} />
        <Freshness query={overview} site={site?.domain} />
      </div>
      <section class="panel trend" aria-label={t.trend.title}>
        <Headline query={shown} chosen={route.metric} />
        <Trend {...ready} latest={asks ? emptied?.latest : undefined} />
      </section>
      <Cards {...ready} visitors={metrics?.visitors} />
      {ready && route.detail && <Detail {...ready} detail={route.detail} />}
      {help && <Help close={() => setHelp(false)} />}
    </>
  );
}
