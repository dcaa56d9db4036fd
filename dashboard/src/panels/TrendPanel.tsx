/** The headline numbers, and below them the course of the one that is chosen. */

import { type Scope, trend as trendRead } from '../api/client';
import type { OverviewAnswer } from '../api/types';
import { exact, metric as metricText } from '../format';
import { t } from '../i18n';
import { type Days, daysOf } from '../state/dates';
import { type Query, useQuery } from '../state/queries';
import { intervalFor, intervalsFor, METRICS, type Metric, type Route } from '../state/route';
import { Link } from '../state/router';
import { Failure } from '../ui/Failure';
import { lazy } from '../ui/lazy';
import { Answered } from '../ui/Panel';

const Course = lazy(async () => (await import('./trend')).Course);
const TrendTable = lazy(async () => (await import('./trend')).TrendTable);

interface Props {
  overview: Query<OverviewAnswer>;
  scope: Scope | undefined;
  route: Route;
  today: string;
  /** Set when these days are empty: the last month that is not. */
  latest: Days | undefined;
}

export function TrendPanel({ overview, scope, route, today, latest }: Props) {
  const days = daysOf(route.range, today);
  const interval = intervalFor(route, days);
  const query = useQuery(scope ? trendRead(scope, interval) : null);
  const intervals = intervalsFor(days);
  return (
    <section class="panel trend" aria-label={t.trend.title}>
      <Headline query={overview} chosen={route.metric} />
      <div class="tools">
        {intervals.length > 1 && (
          <Segments
            title={t.trend.grain}
            options={intervals.map((option) => ({
              text: t.interval[option],
              to: { interval: option },
              chosen: option === interval,
            }))}
          />
        )}
        <Segments
          title={t.trend.show}
          options={(['chart', 'table'] as const).map((option) => ({
            text: t.trend[option],
            to: { trend: option },
            chosen: option === route.trend,
          }))}
        />
      </div>
      <Answered query={query}>
        {(answer) =>
          route.trend === 'table' ? (
            <TrendTable answer={answer} metric={route.metric} />
          ) : (
            <Course answer={answer} metric={route.metric} latest={latest} />
          )
        }
      </Answered>
    </section>
  );
}

/** Six numbers; each is a link that makes the chart show it. */
function Headline({ query, chosen }: { query: Query<OverviewAnswer>; chosen: Metric }) {
  const metrics = query.data?.metrics;
  return (
    <div class={`body ${query.outdated ? 'outdated' : ''}`} aria-busy={query.loading}>
      {query.error && !metrics ? (
        <Failure error={query.error} retry={query.retry} />
      ) : (
        <ul class="headline">
          {METRICS.map((name) => (
            <li key={name}>
              <Link to={{ metric: name }} aria-current={name === chosen ? 'true' : undefined}>
                <span class="label">{t.metric[name]}</span>
                <span class="value" title={metrics && name in WHOLE ? exact(metrics[name]) : undefined}>
                  {metrics ? metricText(name, metrics[name]) : <i class="skeleton" />}
                </span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const WHOLE: Partial<Record<Metric, true>> = { visitors: true, visits: true, pageviews: true };

interface Option {
  text: string;
  to: Partial<Route>;
  chosen: boolean;
}

function Segments({ title, options }: { title: string; options: Option[] }) {
  return (
    <div class="segments" role="group" aria-label={title}>
      {options.map(({ text, to, chosen }) => (
        <Link key={text} to={to} aria-current={chosen ? 'true' : undefined}>
          {text}
        </Link>
      ))}
    </div>
  );
}
