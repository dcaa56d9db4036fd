/** Which days these are, how new the numbers are, and the way to newer ones. */

import type { OverviewAnswer } from '../api/types';
import { days as daysText, instant } from '../format';
import { fill, t } from '../i18n';
import { type Query, refreshAll } from '../state/queries';
import { Icon } from '../ui/icons';

/** Numbers are hour-grained; older than this something is stuck. */
const BEHIND_MS = 2 * 3_600_000;

interface Props {
  query: Query<OverviewAnswer>;
}

export function Freshness({ query }: Props) {
  const answer = query.outdated ? undefined : query.data;
  const now = new Date();
  const through = answer?.fresh_through;
  const behind = through !== undefined && now.getTime() - Date.parse(through) > BEHIND_MS;
  return (
    <div class="freshness">
      <p class="days">{answer && daysText(answer)}</p>
      <p class={behind ? 'through behind' : 'through'}>
        {through !== undefined && (
          <time dateTime={through}>
            {fill(behind ? t.fresh.behind : t.fresh.through, { time: instant(through, answer?.timezone ?? 'UTC', now) })}
          </time>
        )}
      </p>
      <p class="zone">{answer?.timezone.replaceAll('_', ' ')}</p>
      <button type="button" class={`control plain ${query.loading ? 'busy' : ''}`} onClick={refreshAll}>
        <Icon name="refresh" />
        <span>{t.fresh.refresh}</span>
      </button>
    </div>
  );
}
