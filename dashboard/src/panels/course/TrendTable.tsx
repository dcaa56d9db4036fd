/** The trend chart's numbers as a table: for screen readers, for keyboards, and for who wants the figure. */

import type { Note, TrendAnswer } from '../../api/types';
import { metric as metricText } from '../../format';
import { point } from '../../format-time';
import { t } from '../../i18n/whole';
import { METRICS, type Metric } from '../../state/route';
import { moneyText } from '../../format-money';
import { notesAt, seriesOf } from './series';

const ALWAYS: readonly Metric[] = ['visitors', 'visits', 'pageviews'];

interface Props {
  answer: TrendAnswer;
  metric: Metric;
  notes: Note[];
}

export function TrendTable({ answer, metric, notes }: Props) {
  const marks = notesAt(answer, notes);
  const columns = ([...METRICS, 'total_revenue'] as const).filter((name) => name === metric || ALWAYS.includes(name)).flatMap((name) => {
    const series = seriesOf(answer, name);
    return series ? [{ name, series }] : [];
  });
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t.trend.table}>
      <table class={columns.length > 3 ? 'figures five' : 'figures'}>
        <thead>
          <tr>
            <th scope="col">{t.course.time}</th>
            {columns.map(({ name }) => (
              <th key={name} scope="col" class="number">
                {t.metric[name]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {answer.points.map(({ time, total_revenue }, index) => (
            <tr key={time}>
              <th scope="row">
                {point(time, answer.interval, 'long')}
                {marks.has(index) && <small class="mark"> {marks.get(index)}</small>}
                {index === columns[0]?.series.complete && columns[0].series.values[index] !== null && (
                  <small> {t.course.partial}</small>
                )}
              </th>
              {columns.map(({ name, series }) => (
                <td key={name} class="number">
                  {name === 'total_revenue' ? moneyText(total_revenue) : metricText(name, series.values[index])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
