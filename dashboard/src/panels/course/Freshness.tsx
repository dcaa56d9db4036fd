/** Which days these are, how new the numbers are, and the way to newer ones. */

import type { OverviewAnswer } from '../../api/types';
import { days as daysText } from '../../format';
import { instant } from '../../format-time';
import { fill, t } from '../../i18n/whole';
import type { Query } from '../../state/queries';
import { refreshAll } from '../../state/refresh';
import { Icon } from '../../ui/icons';
import { useAfter } from '../../ui/later';

/** Numbers are hour-grained; older than this something is stuck. */
const BEHIND_MS = 2 * 3_600_000;

interface Props {
  query: Query<OverviewAnswer>;
  site: string | undefined;
}

export function Freshness({ query, site }: Props) {
  // Days and times are slow to write for the first time: the numbers go first.
  const written = useAfter(query.data !== undefined);
  const answer = written && !query.outdated ? query.data : undefined;
  const now = new Date();
  const through = answer?.fresh_through;
  const behind = through !== undefined && (answer?.stale || now.getTime() - Date.parse(through) > BEHIND_MS);
  return (
    <div class="freshness">
      <p class="days" title={answer?.timezone.replaceAll('_', ' ')}>
        {answer && daysText(answer)}
      </p>
      <p class={behind ? 'through behind' : 'through'}>
        {through !== undefined && (
          <time dateTime={through}>
            {fill(answer?.stale ? t.fresh.stale : behind ? t.fresh.behind : t.fresh.through, {
              time: instant(through, answer?.timezone ?? 'UTC', now),
            })}
          </time>
        )}
      </p>
      <button
        type="button"
        class={`control plain ${query.loading ? 'busy' : ''}`}
        title={t.fresh.refresh}
        onClick={() => site && refreshAll(site)}
      >
        <Icon name="refresh" />
        <span class="unseen">{t.fresh.refresh}</span>
      </button>
    </div>
  );
}
