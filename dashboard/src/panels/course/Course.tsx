/** The course of one metric: the chart, or in words why there is none to draw. */

import { useMemo } from 'preact/hooks';
import type { Note, TrendAnswer } from '../../api/types';
import { days, metric as metricText } from '../../format';
import { money } from '../../format-money';
import { month, point } from '../../format-time';
import { fill, t } from '../../i18n/whole';
import type { Days } from '../../state/dates';
import type { Metric } from '../../state/route';
import { Link } from '../../state/router';
import { useTheme } from '../../state/theme';
import { lazy } from '../../ui/lazy';
import { comparisonOf, currencyOf, labelled, notesAt, scaleOf, seriesOf } from './series';

const TrendChart = lazy(async () => (await import('../trend')).TrendChart);

interface Props {
  answer: TrendAnswer;
  metric: Metric;
  notes: Note[];
  latest: Days | undefined;
}

export function Course({ answer, metric, notes, latest }: Props) {
  const [theme] = useTheme();
  const drawn = useMemo(() => {
    const series = seriesOf(answer, metric);
    if (!series) return undefined;
    const { points, interval, comparison } = answer;
    const before = comparisonOf(answer, metric);
    const currency = currencyOf(answer);
    return {
      series,
      before,
      marks: notesAt(answer, notes),
      scale: scaleOf([...series.values, ...(before ?? [])], metric),
      labelled: (most: number) => labelled(points.length, interval, most),
      format: (value: number | null) =>
        value !== null && currency && metric === 'total_revenue' ? money(value, currency) : metricText(metric, value),
      label: (index: number, length: 'short' | 'long') => point(points[index]?.time ?? '', interval, length),
      labelBefore: (index: number) => point(comparison?.points[index]?.time ?? '', interval, 'long'),
    };
  }, [answer, metric, notes]);
  if (!drawn) return <p class="empty">{t.course.unavailable}</p>;
  const { series, label } = drawn;
  const gone = answer.removed?.[0];
  const why = gone && fill(t.gone[gone.why], { days: days(gone) });
  return (
    <>
      <TrendChart
        {...drawn}
        partial={t.course.partial}
        summary={fill(t.course.summary, {
          metric: t.metric[metric],
          from: label(0, 'long'),
          to: label(answer.points.length - 1, 'long'),
        })}
        theme={theme}
      />
      {why && series.values.some(Boolean) && <p class="strip gone">{why}</p>}
      {series.values.every((value) => !value) && (
        <div class="empty over">
          <p>{why ?? (metric === 'total_revenue' ? t.course.noRevenue : t.course.none)}</p>
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
