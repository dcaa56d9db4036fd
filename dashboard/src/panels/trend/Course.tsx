/** The course of one metric: the chart, or in words why there is none to draw. */

import { useMemo } from 'preact/hooks';
import type { TrendAnswer } from '../../api/types';
import { metric as metricText } from '../../format';
import { month, point } from '../../format-time';
import { fill, t } from '../../i18n/whole';
import type { Days } from '../../state/dates';
import type { Metric } from '../../state/route';
import { Link } from '../../state/router';
import { useTheme } from '../../state/theme';
import { scaleOf, seriesOf } from './series';
import { TrendChart } from './TrendChart';

export function Course({ answer, metric, latest }: { answer: TrendAnswer; metric: Metric; latest: Days | undefined }) {
  const [theme] = useTheme();
  const series = useMemo(() => seriesOf(answer, metric), [answer, metric]);
  const format = useMemo(() => (value: number | null) => metricText(metric, value), [metric]);
  if (!series) return <p class="empty">{t.course.unavailable}</p>;
  const { points, interval } = answer;
  const label = (index: number, length: 'short' | 'long') => point(points[index]?.time ?? '', interval, length);
  return (
    <>
      <TrendChart
        series={series}
        scale={scaleOf(series.values, metric)}
        interval={interval}
        label={label}
        format={format}
        partial={t.course.partial}
        summary={fill(t.course.summary, {
          metric: t.metric[metric],
          from: label(0, 'long'),
          to: label(points.length - 1, 'long'),
        })}
        theme={theme}
      />
      {series.values.every((value) => !value) && (
        <div class="empty over">
          <p>{t.course.none}</p>
          {latest && (
            <p>
              {fill(t.course.latest, { month: month(latest.from) })}{' '}
              <Link class="link" to={{ range: latest }}>
                {fill(t.course.go, { month: month(latest.from) })}
              </Link>
            </p>
          )}
        </div>
      )}
    </>
  );
}
