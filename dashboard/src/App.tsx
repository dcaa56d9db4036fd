/** Which view: the page of a site, the first run, or what is wrong. */

import { useEffect } from 'preact/hooks';
import { sites as sitesRead } from './api/client';
import type { Site } from './api/types';
import { Header } from './header/Header';
import { SitePage } from './SitePage';
import { useQuery } from './state/queries';
import { navigate, useRoute } from './state/router';
import { Failure } from './ui/Failure';
import { lazy, panel } from './ui/lazy';

const NoSuchSite = lazy(async () => (await import('./first-run')).NoSuchSite, panel('alone'));
const FirstSite = lazy(async () => (await import('./first-run')).FirstSite, panel(''));

export function App() {
  const route = useRoute();
  const query = useQuery(sitesRead());
  const all = query.data?.sites;
  const site = choose(all, route.site);

  useEffect(() => {
    // The address always names the site, so that it means the same to whoever gets it.
    if (site && !route.site) navigate({ site: site.domain }, 'replace');
  }, [site?.domain, route.site]);

  return (
    <>
      <Header sites={all} site={site} route={route} />
      <main>
        {query.error && !all ? (
          <section class="panel alone">
            <Failure error={query.error} retry={query.retry} />
          </section>
        ) : all?.length === 0 ? (
          <FirstSite />
        ) : all && !site ? (
          <NoSuchSite name={route.site ?? ''} sites={all} />
        ) : (
          <SitePage key={site?.domain} site={site} route={route} />
        )}
      </main>
    </>
  );
}

/** While the list is on its way a site that the address names is believed, to save a round trip. */
function choose(all: Site[] | undefined, wanted: string | undefined): Site | undefined {
  if (!wanted) return all?.[0];
  if (all) return all.find(({ domain, aliases }) => domain === wanted || aliases?.includes(wanted));
  return { domain: wanted, timezone: '', aliases: [] };
}
