import { render } from 'preact';
import { App } from './App';
import * as api from './api/client';
import { chooseLanguage } from './i18n';
import { ROWS } from './panels/rows';
import { daysOf, todayIn } from './state/dates';
import { prefetch } from './state/queries';
import { intervalFor, parseRoute } from './state/route';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/page.css';
import './styles/panels.css';
import './styles/trend.css';
import './styles/chart.css';

/** Asks for what the address names before anything is drawn, the headline first: the code of panels may come later. */
function askAhead(): void {
  const route = parseRoute(location.search, location.pathname);
  prefetch(api.sites());
  if (!route.site || route.view) return;
  const scope = { site: route.site, ...route.range };
  prefetch(api.overview(scope));
  prefetch(api.trend(scope, intervalFor(route, daysOf(route.range, todayIn(undefined, new Date())))));
  prefetch(api.pages(scope, ROWS, 0));
  prefetch(api.sources(scope, ROWS, 0));
}

askAhead();
await chooseLanguage(navigator.languages);
const root = document.getElementById('app');
if (root) render(<App />, root);
