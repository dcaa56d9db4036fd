import { render } from 'preact';
import { App } from './App';
import * as api from './api/client';
import { chooseLanguage } from './i18n';
import { daysOf, todayIn } from './state/dates';
import { prefetch } from './state/queries';
import { intervalFor, parseRoute } from './state/route';
import { comparedScopeOf } from './state/scope';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/page.css';
import './styles/panels.css';
import './styles/trend.css';

/** Ends the task: a slow phone gets a word in between reading this script, asking, and drawing. */
const pause = () => new Promise((resolve) => setTimeout(resolve));

/**
 * Asks for what the first screen shows before anything is drawn, the headline first; panels ask for their own. Each
 * question in a task of its own: the first ones of a page take a slow phone 30 ms each.
 */
async function askAhead(): Promise<void> {
  const route = parseRoute(location.search, location.pathname);
  if (route.auth) api.access['x-statnive-link'] = route.auth;
  if (!route.view && location.pathname !== '/') return;
  const today = todayIn(undefined, new Date());
  const scope = route.site && !route.view ? comparedScopeOf(route, route.site, today) : undefined;
  if (scope) {
    prefetch(api.overview(scope));
    await pause();
  }
  prefetch(api.sites());
  if (!scope || route.metric === 'total_revenue') return;
  await pause();
  prefetch(api.trend(scope, intervalFor(route, daysOf(route.range, today))));
}

await pause();
await askAhead();
await chooseLanguage(navigator.languages);
await pause();
const root = document.getElementById('app');
if (root) render(<App />, root);
