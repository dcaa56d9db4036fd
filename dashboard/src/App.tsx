/** Which view: the page of a site, the first run, or what is wrong. */

import { useEffect, useRef } from 'preact/hooks';
import { sites as sitesRead } from './api/client';
import type { Site } from './api/types';
import { Header } from './header/Header';
import { SitePage } from './SitePage';
import { t } from './i18n';
import { useQuery } from './state/queries';
import { navigate, useRoute } from './state/router';
import { Failure } from './ui/Failure';
import { useAfter } from './ui/later';
import { lazy, panel } from './ui/lazy';

const NoSuchSite = lazy(async () => (await import('./first-run')).NoSuchSite, panel('alone'));
const Accounts = lazy(async () => (await import('./accounts')).Accounts, (inside) => <main>{panel('alone')(inside)}</main>);
const FirstSite = lazy(async () => (await import('./first-run')).FirstSite, panel(''));
const SitesPage = lazy(async () => (await import('./sites')).SitesPage, panel(''));
const SettingsPage = lazy(async () => (await import('./settings')).SettingsPage, panel(''));
const OperatorPage = lazy(async () => (await import('./operator')).OperatorPage, panel(''));

export function App() {
  const route = useRoute();
  const elsewhere = !route.view && location.pathname !== '/';
  const query = useQuery(elsewhere ? null : sitesRead());
  const all = query.data?.sites;
  const operator = query.data?.operator;
  const site = choose(all, route.site);

  useEffect(() => {
    // The address always names the site, so that it means the same to whoever gets it.
    if (site && !route.site && route.view !== 'operator' && query.data?.signed_in) navigate({ site: site.domain }, 'replace');
  }, [site?.domain, route.site, route.view]);

  // The page below its header comes in a task of its own: drawing both at once is long for a slow phone.
  const begun = useAfter(true);
  const main = useRef<HTMLElement>(null);
  const place = `${route.view ?? ''} ${site?.domain ?? ''}`;
  const before = useRef(place);
  useEffect(() => {
    document.title = `${site?.domain ?? t.site.all} · statnive`;
    // Another page: a keyboard goes on from its top, and a screen reader says that it is there.
    if (before.current.trim() && before.current !== place) main.current?.focus({ preventScroll: true });
    before.current = place;
  }, [place]);

  if (elsewhere || query.error?.status === 401 || (query.data?.signed_in === false && (!route.site || route.view))) {
    return <Accounts error={query.error} retry={query.retry} />;
  }
  return (
    <>
      <Header sites={all} site={site} route={route} operator={operator} />
      <main ref={main} tabIndex={-1}>
        {!begun ? null : query.error && !all ? (
          <section class="panel alone">
            <Failure error={query.error} retry={query.retry} />
          </section>
        ) : route.view === 'operator' ? (
          <OperatorPage />
        ) : all?.length === 0 ? (
          <FirstSite />
        ) : all && !site && route.site ? (
          <NoSuchSite name={route.site} sites={all} />
        ) : route.view === 'settings' && site ? (
          <SettingsPage key={site.domain} site={site} />
        ) : all && !site ? (
          <SitesPage route={route} operator={operator} />
        ) : (
          <SitePage key={site?.domain} site={site} route={route} />
        )}
      </main>
    </>
  );
}

/** While the list is on its way a site that the address names is believed, to save a round trip. */
function choose(all: Site[] | undefined, wanted: string | undefined): Site | undefined {
  if (!wanted) return all?.length === 1 ? all[0] : undefined;
  if (all) return all.find(({ domain, aliases }) => domain === wanted || aliases?.includes(wanted));
  return { domain: wanted, timezone: '', aliases: [], role: 'viewer' };
}
