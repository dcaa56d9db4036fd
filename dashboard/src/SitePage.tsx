/** Everything about one site in one range. Without a site it is its own placeholder. */

import * as api from './api/client';
import type { Site } from './api/types';
import { t } from './i18n';
import { Freshness } from './panels/Freshness';
import { TrendPanel } from './panels/TrendPanel';
import { useHistory } from './state/history';
import { todayIn } from './state/dates';
import { useQuery } from './state/queries';
import type { Route } from './state/route';
import { lazy, panel } from './ui/lazy';

const FirstEvent = lazy(async () => (await import('./first-run')).FirstEvent, panel(''));
const PagesPanel = lazy(async () => (await import('./panels/all')).PagesPanel, panel('list'));
const SourcesPanel = lazy(async () => (await import('./panels/all')).SourcesPanel, panel('list'));
const RealtimePanel = lazy(async () => (await import('./panels/all')).RealtimePanel, panel('realtime'));
const DropsPanel = lazy(async () => (await import('./panels/all')).DropsPanel, panel('drops'));

export function SitePage({ site, route }: { site: Site | undefined; route: Route }) {
  const scope: api.Scope | undefined = site && { site: site.domain, ...route.range };
  const today = todayIn(site?.timezone, new Date());
  const key = JSON.stringify(route.range);
  const overview = useQuery(scope ? api.overview(scope) : null);
  const metrics = overview.outdated ? undefined : overview.data?.metrics;
  const empty = metrics !== undefined && !metrics.visits && !metrics.pageviews && !metrics.visitors;
  // Nothing in these days: has there ever been anything, and when?
  const history = useHistory(empty ? site?.domain : undefined, today);

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
  return (
    <>
      <h1 class="unseen">{site ? site.domain : t.loading}</h1>
      <Freshness query={overview} />
      <TrendPanel
        overview={shown}
        scope={undecided ? undefined : scope}
        route={route}
        today={today}
        latest={history.latest}
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
