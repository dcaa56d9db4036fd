/** Six numbers, each with its change; each is a link that makes the chart show it. */

import type { OverviewAnswer } from '../api/types';
import { change, days as daysText, exact, metric as metricText } from '../format';
import { fill, t } from '../i18n';
import type { Query } from '../state/queries';
import { METRICS, type Metric } from '../state/route';
import { Link } from '../state/router';
import { Failure } from '../ui/Failure';
import { useAfter } from '../ui/later';

export function Headline({ query, chosen }: { query: Query<OverviewAnswer>; chosen: Metric }) {
  const { data, error, outdated, loading, retry } = query;
  const titled = useAfter(data !== undefined);
  return (
    <div class={`body ${outdated ? 'outdated' : ''}`} aria-busy={loading}>
      {error && !data ? (
        <Failure error={error} retry={retry} />
      ) : (
        <ul class="headline">
          {METRICS.map((name) => (
            <li key={name}>
              <Link to={{ metric: name }} aria-current={name === chosen ? 'true' : undefined}>
                <span class="label">{t.metric[name]}</span>
                <Figure name={name} answer={data} titled={titled} />
              </Link>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface FigureProps {
  name: (typeof METRICS)[number];
  answer: OverviewAnswer | undefined;
  /** Whether it is time for what nobody sees before pointing at it. */
  titled: boolean;
}

function Figure({ name, answer, titled }: FigureProps) {
  const value = answer?.metrics[name];
  const before = answer?.comparison;
  const moved = before && change(value, before.metrics[name]);
  // More bounces are the one growth that nobody wishes for.
  const better = moved && moved.value > 0 !== (name === 'bounce_rate');
  return (
    <>
      <span class="value" title={answer && titled ? exact(value) : undefined}>
        {answer ? metricText(name, value) : <i class="skeleton" />}
      </span>
      <span
        class={`change ${moved?.value ? (better ? 'good' : 'bad') : ''}`}
        title={
          before && titled
            ? fill(t.trend.before, { value: metricText(name, before.metrics[name]), days: daysText(before) })
            : undefined
        }
      >
        {moved?.text}
      </span>
    </>
  );
}
