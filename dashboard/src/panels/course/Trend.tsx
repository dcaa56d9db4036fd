/** The course of the chosen number: revenue and the choices of how it is shown above, chart or table below. */

import type { ComponentChildren } from 'preact';
import { overview, type Read, type Scope, trend as trendRead } from '../../api/client';
import { notes as notesRead } from '../../api/more';
import type { Money, Note, Site, TrendAnswer } from '../../api/types';
import { change } from '../../format';
import { moneyText, mainMoney } from '../../format-money';
import { t } from '../../i18n/whole';
import { type Days, daysOf } from '../../state/dates';
import { mayWrite } from '../../state/may';
import { useQuery } from '../../state/queries';
import { intervalFor, intervalsFor, type Route } from '../../state/route';
import { Link } from '../../state/router';
import { Answered } from '../../ui/Panel';
import { Course } from './Course';
import { Notes } from './Notes';
import { TrendTable } from './TrendTable';

interface Props {
  site?: Site;
  scope?: Scope;
  route?: Route;
  today?: string;
  /** Set when these days are empty: the last month that is not. */
  latest: Days | undefined;
}

const NO_NOTES: Note[] = [];

export function Trend({ site, scope, route, today = '', latest }: Props) {
  const days = route && daysOf(route.range, today);
  const interval = route && days && intervalFor(route, days);
  const metric = route?.metric ?? 'visitors';
  const money = metric === 'total_revenue';
  const notes = useQuery(site ? notesRead(site.domain) : null).data?.notes ?? NO_NOTES;
  const intervals = days ? intervalsFor(days) : [];
  return (
    <>
      <div class="tools">
        {scope && <Revenue scope={scope} chosen={money} />}
        {site && days && mayWrite(site) && <Notes site={site.domain} notes={notes} today={today} />}
        {intervals.length > 1 && (
          <Choice
            title={t.trend.grain}
            options={intervals.map((option) => ({
              text: t.interval[option],
              to: { interval: option },
              chosen: option === interval,
            }))}
          />
        )}
        <Choice
          title={t.trend.show}
          options={(['chart', 'table'] as const).map((option) => ({
            text: t.trend[option],
            to: { trend: option },
            chosen: option === (route?.trend ?? 'chart'),
          }))}
        />
      </div>
      <Points
        key={String(money)}
        read={scope && interval ? trendRead(scope, interval, money ? metric : undefined) : null}
      >
        {(answer) =>
          route?.trend === 'table' ? (
            <TrendTable answer={answer} metric={metric} notes={notes} />
          ) : (
            <Course answer={answer} metric={metric} notes={notes} latest={latest} />
          )
        }
      </Points>
    </>
  );
}

interface PointsProps {
  read: Read<TrendAnswer> | null;
  children: (answer: TrendAnswer) => ComponentChildren;
}

/** Revenue is an answer of its own: while it comes, the points of the other numbers must not stand for it. */
function Points({ read, children }: PointsProps) {
  return <Answered query={useQuery(read)}>{children}</Answered>;
}

/** What goals brought, if they brought anything; a link that makes the chart show it. */
function Revenue({ scope, chosen }: { scope: Scope; chosen: boolean }) {
  const { data, outdated } = useQuery(overview({ ...scope, metrics: 'total_revenue' }));
  const now = data?.metrics.total_revenue as Money | undefined;
  const before = data?.comparison?.metrics.total_revenue as Money | undefined;
  if (!now || (!now.length && !chosen)) return <span class="revenue" />;
  const main = mainMoney(now);
  const moved = change(main?.amount, mainMoney(before ?? [], main?.currency)?.amount);
  return (
    <Link
      class={`revenue ${outdated ? 'outdated' : ''}`}
      to={{ metric: chosen ? 'visitors' : 'total_revenue' }}
      aria-current={chosen ? 'true' : undefined}
    >
      <span class="label">{t.metric.total_revenue}</span>
      <strong>{moneyText(now)}</strong>
      {moved && <span class={`change ${moved.value > 0 ? 'good' : moved.value < 0 ? 'bad' : ''}`}>{moved.text}</span>}
    </Link>
  );
}

interface Option {
  text: string;
  to: Partial<Route>;
  chosen: boolean;
}

export function Choice({ title, options }: { title: string; options: Option[] }) {
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
