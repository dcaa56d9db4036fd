/** Everything about one site in one range. Without a site it is its own placeholder. */

import * as api from './api/client';
import type { Site } from './api/types';
import { FilterBar } from './bar/FilterBar';
import { Freshness } from './bar/Freshness';
import { t } from './i18n';
import { Headline } from './panels/Headline';
import { todayIn } from './state/dates';
import { useHistory } from './state/history';
import { useQuery } from './state/queries';
import type { Route } from './state/route';
import { comparedScopeOf } from './state/scope';
import { useKeys } from './state/keys';
import { lazy, panel } from './ui/lazy';

const FirstEvent = lazy(async () => (await import('./first-run')).FirstEvent, panel(''));
const Trend = lazy(async () => (await import('./panels/course')).Trend, (inside) => (
  <>
    <div class="tools" />
    <div class="body">{inside}</div>
  </>
));
const Cards = lazy(async () => (await import('./lists')).Cards, (inside) => (
  <div class="cards">
    {panel('list')(inside)}
    {panel('list')(inside)}
  </div>
));
const Help = lazy(async () => (await import('./keys')).Help, () => null);
const Detail = lazy(async () => (await import('./detail')).Detail, () => null);

export function SitePage({ site, route }: { site: Site | undefined; route: Route }) {
  const [help, setHelp] = useKeys();
  const today = todayIn(site?.timezone, new Date());
  const scope = site && comparedScopeOf(route, site.domain, today);
  const overview = useQuery(scope ? api.overview(scope) : null);
  const metrics = overview.outdated ? undefined : overview.data?.metrics;
  const empty = metrics !== undefined && !metrics.visits && !metrics.pageviews && !metrics.visitors;
  // Nothing in these days: has there ever been anything, and when?
  const history = useHistory(empty && !route.filters.length ? site?.domain : undefined, today);

  if (site && history.never) {
    return (
      <>
        <h1 class="unseen">{site.domain}</h1>
        <FirstEvent site={site} />
      </>
    );
  }
  // Until that is known, zeros are not worth showing: the page may be about to become the first run's.
  const undecided = empty && history.loading;
  const shown = undecided ? { ...overview, data: undefined } : overview;
  const ready = site && scope && !undecided ? { site, route, scope, today } : undefined;
  return (
    <>
      <h1 class="unseen">{site ? site.domain : t.loading}</h1>
      <div class="toolbar">
        <FilterBar site={site} route={route} />
        <Freshness query={overview} site={site?.domain} />
      </div>
      <section class="panel trend" aria-label={t.trend.title}>
        <Headline query={shown} chosen={route.metric} />
        <Trend {...ready} latest={history.latest} />
      </section>
      <Cards {...ready} visitors={metrics?.visitors} />
      {ready && route.detail && <Detail {...ready} detail={route.detail} />}
      {help && <Help close={() => setHelp(false)} />}
    </>
  );
}
