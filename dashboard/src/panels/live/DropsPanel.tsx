/** What came in and was not counted, with a way out for hostnames that no site has. */

import { drops } from '../../api/client';
import type { DropsAnswer, UnknownSite } from '../../api/types';
import { count, instant } from '../../format';
import { fill, plural, t } from '../../i18n/whole';
import { useQuery } from '../../state/queries';
import { CopyLine } from '../../ui/CopyLine';
import { Icon } from '../../ui/icons';
import { Panel } from '../../ui/Panel';
import { addCommand, browserTimezone, isHostname } from './hosts';

const AGAIN_MS = 60_000;
/** Anyone can send made-up hostnames; the busiest few are the real ones. */
const HOSTS_SHOWN = 3;

export function DropsPanel({ everyMs = AGAIN_MS }: { everyMs?: number }) {
  const query = useQuery(drops(), everyMs);
  return (
    <Panel title={t.drops.title} class="drops" id="drops" query={query}>
      {(answer) => (
        <>
          <Hosts hosts={answer.unknown_sites} />
          <Reasons reasons={answer.reasons} />
        </>
      )}
    </Panel>
  );
}

function Hosts({ hosts }: { hosts: UnknownSite[] }) {
  const shown = [...hosts].sort((a, b) => b.events - a.events).slice(0, HOSTS_SHOWN);
  const more = hosts.length - shown.length;
  if (!shown.length) return null;
  return (
    <div class="notice">
      {shown.map((host) => (
        <UnknownHost key={host.host} {...host} />
      ))}
      {more > 0 && <p class="note">{plural(t.drops.more, more, count(more))}</p>}
    </div>
  );
}

function UnknownHost({ host, events, last_seen }: UnknownSite) {
  const [before = '', after = ''] = t.drops.notice.split('{host}');
  const zone = browserTimezone();
  return (
    <div class="host">
      <p>
        <Icon name="warning" />
        <span>
          {before}
          <strong>{host}</strong>
          {after}{' '}
          <small>
            {fill(t.drops.seen, {
              events: plural(t.drops.events, events, count(events)),
              time: instant(last_seen, zone, new Date()),
            })}
          </small>
        </span>
      </p>
      {isHostname(host) ? (
        <>
          <p class="note">{t.drops.add}</p>
          <CopyLine text={addCommand(host, zone)} label={t.first.command} />
        </>
      ) : (
        <p class="note">{t.drops.unsafe}</p>
      )}
    </div>
  );
}

function Reasons({ reasons }: { reasons: DropsAnswer['reasons'] }) {
  const counted = reasons.filter(({ events }) => events > 0).sort((a, b) => b.events - a.events);
  if (!counted.length) return <p class="empty">{t.drops.none}</p>;
  return (
    <>
      <p class="note">{t.drops.hint}</p>
      <dl>
        {counted.map(({ reason, events }) => (
          <div key={reason}>
            <dt>{t.drops.reason[reason] ?? reason}</dt>
            <dd class="number">{count(events)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
