/** What came in and was not counted: by reason, the last ones and why, and a way out for unknown hostnames. */

import { useState } from 'preact/hooks';
import { addAlias, addSite, operatorDrops } from '../api/admin';
import type { OperatorDrops } from '../api/admin-types';
import { sites as sitesRead } from '../api/client';
import { Refusal } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { count } from '../format';
import { instant } from '../format-time';
import { fill, plural, t } from '../i18n/pages';
import { browserTimezone, isHostname } from './hosts';
import { useQuery } from '../state/queries';
import { Icon } from '../ui/more-icons';
import { Panel } from '../ui/Panel';
import './operator.css';

/** Anyone can send made-up hostnames; the busiest few are the real ones. */
const HOSTS_SHOWN = 5;
const RECENT_SHOWN = 10;

interface Props {
  everyMs: number;
  /** The site that a hostname is most likely for. */
  site?: string;
}

export function Drops({ everyMs, site }: Props) {
  const query = useQuery(operatorDrops(), everyMs);
  return (
    <Panel title={t.drops.title} class="drops" id="drops" query={query}>
      {(answer) => (
        <>
          {answer.unknown_sites.length > 0 && <Hosts hosts={answer.unknown_sites} site={site} />}
          <Reasons reasons={answer.reasons} />
          {answer.recent.length > 0 && <Recent recent={answer.recent} />}
        </>
      )}
    </Panel>
  );
}

function Hosts({ hosts, site }: { hosts: OperatorDrops['unknown_sites']; site: string | undefined }) {
  const shown = [...hosts].sort((a, b) => b.events - a.events).slice(0, HOSTS_SHOWN);
  const more = hosts.length - shown.length;
  return (
    <div class="notice">
      {shown.map((host) => (
        <UnknownHost key={host.host} {...host} site={site} />
      ))}
      {more > 0 && <p class="note">{plural(t.drops.more, more, count(more))}</p>}
    </div>
  );
}

type HostProps = OperatorDrops['unknown_sites'][number] & { site: string | undefined };

function UnknownHost({ host, events, last_seen, site }: HostProps) {
  const known = useQuery(sitesRead()).data?.sites ?? [];
  const { busy, error, send } = useSend();
  const [chosen, setChosen] = useState<string | undefined>(site);
  const target = chosen ?? likeliest(host, known.map(({ domain }) => domain));
  const [before = '', after = ''] = t.drops.notice.split('{host}');
  const zone = browserTimezone();
  const seen = { events: plural(t.drops.events, events, count(events)), time: instant(last_seen, zone, new Date()) };
  return (
    <div class="host">
      <p>
        <Icon name="warning" />
        <span>
          {before}
          <strong>{host}</strong>
          {after} <small>{fill(t.drops.seen, seen)}</small>
        </span>
      </p>
      {isHostname(host) ? (
        <p class="host-tools">
          {target && (
            <button type="button" class="control" disabled={busy} onClick={() => void send(() => addAlias(target, host))}>
              {fill(t.drops.alias, { site: target })}
            </button>
          )}
          {!site && known.length > 1 && (
            <select
              value={target}
              aria-label={fill(t.drops.choose, { host })}
              onChange={(event) => setChosen(event.currentTarget.value)}
            >
              {known.map(({ domain }) => (
                <option key={domain}>{domain}</option>
              ))}
            </select>
          )}
          <button type="button" class="control" disabled={busy} onClick={() => void send(() => addSite(host, zone))}>
            {t.drops.own}
          </button>
        </p>
      ) : (
        <p class="note">{t.drops.unsafe}</p>
      )}
      <Refusal error={error} />
    </div>
  );
}

/** The site with the longest common end of its name: shop.example.com is most likely example.com's. */
export function likeliest(host: string, domains: readonly string[]): string | undefined {
  const labels = (name: string) => name.split('.').reverse();
  const alike = (domain: string) => {
    const [own, other] = [labels(host), labels(domain)];
    const differs = own.findIndex((label, at) => label !== other[at]);
    return differs < 0 ? own.length : differs;
  };
  return [...domains].sort((a, b) => alike(b) - alike(a))[0];
}

function Reasons({ reasons }: { reasons: OperatorDrops['reasons'] }) {
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

function Recent({ recent }: { recent: OperatorDrops['recent'] }) {
  const zone = browserTimezone();
  return (
    <details class="recent">
      <summary>{t.drops.recent}</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{t.course.time}</th>
            <th scope="col">{t.drops.why}</th>
            <th scope="col">{t.drops.detail}</th>
          </tr>
        </thead>
        <tbody>
          {recent.slice(0, RECENT_SHOWN).map(({ time, reason, detail }, at) => (
            <tr key={`${time}${at}`}>
              <td>{instant(time, zone, new Date())}</td>
              <td>{t.drops.reason[reason] ?? reason}</td>
              <td>
                <bdi>{detail}</bdi>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
