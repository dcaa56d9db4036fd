/** Everything about one site in one range. Without a site it is its own placeholder. */

import { useEffect } from 'preact/hooks';
import * as api from './api/client';
import type { Site } from './api/types';
import { t } from './i18n';
import { Freshness } from './panels/Freshness';
import { ROWS } from './panels/rows';
import { TrendPanel } from './panels/TrendPanel';
import { latestMonth } from './state/history';
import { daysOf, todayIn } from './state/dates';
import { prefetch, useQuery } from './state/queries';
import type { Route } from './state/route';
import { lazy, panel } from './ui/lazy';

const FirstEvent = lazy(async () => (await import('./first-run')).FirstEvent, panel('first'));
const PagesPanel = lazy(async () => (await import('./panels/lists')).PagesPanel, panel('list'));
const SourcesPanel = lazy(async () => (await import('./panels/lists')).SourcesPanel, panel('list'));
const RealtimePanel = lazy(async () => (await import('./panels/live')).RealtimePanel, panel('realtime'));
const DropsPanel = lazy(async () => (await import('./panels/live')).DropsPanel, panel('drops'));

/** No site has events from before this day; an imported log may well be old. */
const EVER = '2000-01-01';

export function SitePage({ site, route }: { site: Site | undefined; route: Route }) {
  const scope: api.Scope | undefined = site && { site: site.domain, ...route.range };
  const today = todayIn(site?.timezone ?? 'UTC', new Date());
  const key = JSON.stringify(route.range);
  useEffect(() => {
    // The lists' code is still on its way; their numbers need not wait for it.
    if (!scope) return;
    prefetch(api.pages(scope, ROWS, 0));
    prefetch(api.sources(scope, ROWS, 0));
  }, [site?.domain, key]);
  const overview = useQuery(scope ? api.overview(scope) : null);
  const metrics = overview.outdated ? undefined : overview.data?.metrics;
  const empty = metrics !== undefined && !metrics.visits && !metrics.pageviews && !metrics.visitors;
  // Nothing in these days: has there ever been anything, and when?
  const history = useQuery(empty && site ? api.trend({ site: site.domain, from: EVER, to: today }, 'month') : null);
  const latest = history.data && latestMonth(history.data.points, today);

  if (site && history.data && !latest) {
    return (
      <>
        <h1 class="unseen">{site.domain}</h1>
        <FirstEvent site={site} />
        <DropsPanel />
      </>
    );
  }
  // Until that is known, zeros are not worth showing: the page may be about to become the first run's.
  const undecided = empty && history.loading;
  const shown = undecided ? { ...overview, data: undefined } : overview;
  return (
    <>
      <h1 class="unseen">{site ? site.domain : t.loading}</h1>
      <Freshness query={overview} days={daysOf(route.range, today)} timezone={site?.timezone} />
      <TrendPanel
        overview={shown}
        scope={undecided ? undefined : scope}
        route={route}
        today={today}
        latest={empty ? latest : undefined}
      />
      <div class="pair">
        <PagesPanel key={`p${key}`} scope={scope} visitors={metrics?.visitors} />
        <SourcesPanel key={`s${key}`} scope={scope} visitors={metrics?.visitors} />
        <RealtimePanel site={site} />
        <DropsPanel />
      </div>
    </>
  );
}
