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

/** Asks for what the first screen shows before anything is drawn, the headline first; panels ask for their own. */
function askAhead(): void {
  const route = parseRoute(location.search, location.pathname);
  if (route.auth) api.access['x-statnive-link'] = route.auth;
  if (!route.view && location.pathname !== '/') return;
  const today = todayIn(undefined, new Date());
  prefetch(api.sites());
  if (!route.site || route.view) return;
  const scope = comparedScopeOf(route, route.site, today);
  prefetch(api.overview(scope));
  if (route.metric !== 'total_revenue') prefetch(api.trend(scope, intervalFor(route, daysOf(route.range, today))));
}

/** Ends the task: a slow phone gets a word in between reading this script, asking, and drawing. */
const pause = () => new Promise((resolve) => setTimeout(resolve));

await pause();
askAhead();
await chooseLanguage(navigator.languages);
await pause();
const root = document.getElementById('app');
if (root) render(<App />, root);
