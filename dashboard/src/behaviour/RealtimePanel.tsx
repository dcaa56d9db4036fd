/** Who was here in the last hour; read again every minute. */

import { realtime } from '../api/more';
import type { RealtimeAnswer, Site } from '../api/types';
import { count, exact } from '../format';
import { point } from '../format-time';
import { plural, t } from '../i18n/whole';
import { useQuery } from '../state/queries';
import { Panel } from '../ui/Panel';

const AGAIN_MS = 60_000;
const HOUR_MS = 3_600_000;

export function RealtimePanel({ site }: { site: Site | undefined }) {
  const query = useQuery(site ? realtime(site.domain) : null, AGAIN_MS);
  return (
    <Panel title={t.realtime.title} class="realtime" query={query}>
      {(answer) => (
        <>
          <p class="sum">
            <strong title={exact(answer.visitors)}>{count(answer.visitors)}</strong>
            <span>{plural(t.realtime.visitors, answer.visitors, '')}</span>
            <small>{plural(t.realtime.pageviews, answer.pageviews, count(answer.pageviews))}</small>
          </p>
          {(answer.points?.length ?? 0) > 1 && <Hours points={answer.points} />}
        </>
      )}
    </Panel>
  );
}

function Hours({ points }: { points: RealtimeAnswer['points'] }) {
  // As on the server: the hours that the last sixty minutes touch.
  const since = Date.now() - 2 * HOUR_MS;
  const largest = Math.max(1, ...points.map(({ visitors = 0 }) => visitors));
  return (
    <figure>
      <ol class="hours">
        {points.map(({ time, visitors = 0 }) => {
          const text = plural(t.realtime.bar, visitors, count(visitors)).replace('{time}', point(time, 'hour', 'short'));
          return (
            <li key={time} title={text} class={Date.parse(time) > since ? 'now' : ''}>
              <span class="unseen">{text}</span>
              <i style={{ height: `${(visitors / largest) * 100}%` }} />
            </li>
          );
        })}
      </ol>
      <figcaption>{t.realtime.hours}</figcaption>
    </figure>
  );
}
