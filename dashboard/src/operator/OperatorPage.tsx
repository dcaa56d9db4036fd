/** How the node is: what is wrong first, then how events go through it, what was dropped, and what it keeps. */

import { useEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { status } from '../api/admin';
import type { OperatorStatus } from '../api/admin-types';
import { count, dates, exact, NOTHING } from '../format';
import { share } from '../format-share';
import { fill, t } from '../i18n/pages';
import { useQuery } from '../state/queries';
import { Icon } from '../ui/more-icons';
import { Answered } from '../ui/Panel';
import { Drops } from './Drops';
import { bytes, caches, type Look, lookOf, mean, milliseconds, rate } from './figures';
import './operator.css';

const AGAIN_MS = 5_000;
/** The log refuses new events at this share of its limit. */
const NEARLY_FULL = 0.8;

export function OperatorPage() {
  const query = useQuery(status(), AGAIN_MS);
  const before = useLookBefore(query.data);
  return (
    <>
      <h1>{t.menus.operator}</h1>
      <Answered query={query}>
        {(answer) => (
          <div class="operator">
            <Problems problems={answer.problems} />
            <Flow answer={answer} before={before} />
            <div class="pair">
              <Counters answer={answer} before={before} />
              <Caches figures={answer.figures} />
              <Tables answer={answer} />
              <Versions answer={answer} />
            </div>
          </div>
        )}
      </Answered>
      <Drops everyMs={AGAIN_MS} />
    </>
  );
}

/** The look before the newest one, for rates. */
function useLookBefore(answer: OperatorStatus | undefined): Look | undefined {
  const looks = useRef<{ before?: Look | undefined; now?: Look }>({});
  if (answer && looks.current.now?.at !== lookOf(answer).at) {
    looks.current = { before: looks.current.now, now: lookOf(answer) };
  }
  useEffect(() => () => void (looks.current = {}), []);
  return looks.current.before;
}

function Problems({ problems }: { problems: Record<string, string> }) {
  const found = Object.entries(problems);
  if (!found.length) {
    return (
      <p class="well" role="status">
        <Icon name="check" />
        {t.operator.well}
      </p>
    );
  }
  return (
    <div class="notice" role="alert">
      {found.map(([part, problem]) => (
        <p key={part}>
          <strong>{t.operator.part[part] ?? part}</strong> {problem}
        </p>
      ))}
    </div>
  );
}

/** An event's way, in six numbers. */
function Flow({ answer, before }: { answer: OperatorStatus; before: Look | undefined }) {
  const now = lookOf(answer);
  const f = answer.figures;
  const filled = (f.wal_bytes ?? 0) / Math.max(1, f.wal_bytes_limit ?? 1);
  const insert = mean(before, now, 'writer_insert_seconds_total', 'writer_blocks_total');
  const events = rate(before, now, 'wal_rows_total');
  const acked = (seconds: number | undefined) => (f.ack_recent_requests ? seconds : undefined);
  return (
    <dl class="tiles panel">
      <Tile label={t.operator.events} value={events === undefined ? NOTHING : count(Math.round(events * 10) / 10)}>
        {fill(t.operator.sofar, { count: exact(f.wal_rows_total) })}
      </Tile>
      <Tile label={t.operator.ack} value={milliseconds(acked(f.ack_recent_seconds_p50))}>
        {fill(t.operator.most, { time: milliseconds(acked(f.ack_recent_seconds_p99)) })}
      </Tile>
      <Tile label={t.operator.log} value={share(filled, 1)} bad={filled > NEARLY_FULL}>
        {fill(t.operator.of, { part: bytes(f.wal_bytes), whole: bytes(f.wal_bytes_limit) })}
      </Tile>
      <Tile label={t.operator.lag} value={count(f.writer_lag_rows)}>
        {fill(t.operator.retries, { count: exact(f.writer_retries_total) })}
      </Tile>
      <Tile label={t.operator.inserted} value={ago(answer.time, f.writer_last_insert_timestamp_seconds)}>
        {f.writer_blocks_total ? fill(t.operator.took, { time: milliseconds(insert) }) : null}
      </Tile>
      <Tile label={t.operator.disk} value={bytes(answer.disk.free_bytes)} bad={nearlyFull(answer.disk)}>
        {fill(t.operator.of, { part: bytes(answer.disk.free_bytes), whole: bytes(answer.disk.total_bytes) })}
      </Tile>
    </dl>
  );
}

function nearlyFull({ free_bytes, total_bytes }: OperatorStatus['disk']): boolean {
  return free_bytes < 0.1 * total_bytes;
}

function ago(now: string, seconds: number | undefined): string {
  if (!seconds) return NOTHING;
  const style = { hour: 'numeric', minute: '2-digit', second: '2-digit' } as const;
  const old = Date.parse(now) - seconds * 1000 > 86_400_000;
  return dates(old ? { ...style, month: 'short', day: 'numeric' } : style).format(seconds * 1000);
}

interface TileProps {
  label: string;
  value: string;
  bad?: boolean;
  children: ComponentChildren;
}

function Tile({ label, value, bad, children }: TileProps) {
  return (
    <div>
      <dt>{label}</dt>
      <dd class={bad ? 'value bad' : 'value'}>{value}</dd>
      <dd class="note">{children}</dd>
    </div>
  );
}

function Counters({ answer, before }: { answer: OperatorStatus; before: Look | undefined }) {
  const f = answer.figures;
  const commit = {
    time: milliseconds(mean(before, lookOf(answer), 'wal_commit_seconds_total', 'wal_commits_total')),
    longest: milliseconds(f.wal_commit_seconds_max),
  };
  const rows: [string, number | undefined][] = [
    [t.operator.connections, (f.acceptor_connections ?? 0) + (f.acceptor_slow_connections ?? 0)],
    [t.operator.limited, (f.limiter_refused_address_total ?? 0) + (f.limiter_refused_site_total ?? 0)],
    [t.operator.keys, f.limiter_keys],
    [t.operator.refused, f.wal_refused_total],
    [t.operator.quarantine, f.writer_quarantine_rows],
    [t.operator.drift, f.rollup_drift_rows],
    [t.operator.visits, f.visits_open],
    [t.operator.rebuilt, f.visits_rebuilt],
  ];
  const counted = rows.map(([name, value]): [string, string] => [name, exact(value)]);
  return <Rows title={t.operator.node} rows={[[t.operator.commit, fill(t.operator.longest, commit)], ...counted]} />;
}

function Caches({ figures }: { figures: Record<string, number> }) {
  const asked = figures.query_asked_total ?? 0;
  const kept = asked ? share((figures.query_kept_total ?? 0) + (figures.query_shared_total ?? 0), asked) : NOTHING;
  const rows: [string, string][] = caches(figures).map(({ name, hits }) => [
    t.operator.cache[name] ?? name,
    hits === undefined ? NOTHING : share(hits, 1),
  ]);
  return <Rows title={t.operator.caches} note={t.operator.cachesNote} rows={[...rows, [t.operator.answers, kept]]} />;
}

function Tables({ answer: { tables } }: { answer: OperatorStatus }) {
  if (!tables) {
    return (
      <section class="panel">
        <h2>{t.operator.tables}</h2>
        <p class="empty">{t.operator.noTables}</p>
      </section>
    );
  }
  return (
    <section class="panel">
      <h2>{t.operator.tables}</h2>
      <table class="figures">
        <thead>
          <tr>
            <th scope="col">{t.operator.table}</th>
            <th scope="col" class="number">
              {t.operator.parts}
            </th>
            <th scope="col" class="number">
              {t.operator.rows}
            </th>
            <th scope="col" class="number">
              {t.operator.size}
            </th>
          </tr>
        </thead>
        <tbody>
          {tables.map(({ table, parts, rows, bytes: size }) => (
            <tr key={table}>
              <th scope="row">
                <bdi>{table}</bdi>
              </th>
              <td class="number">{count(parts)}</td>
              <td class="number" title={exact(rows)}>
                {count(rows)}
              </td>
              <td class="number">{bytes(size)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Versions({ answer: { versions, figures, sites } }: { answer: OperatorStatus }) {
  const hours = Math.floor((figures.uptime_seconds ?? 0) / 3600);
  return (
    <Rows
      title={t.operator.versions}
      rows={[
        ['statnive', versions.statnive],
        ['ClickHouse', versions.clickhouse ?? NOTHING],
        ['Python', versions.python],
        [t.operator.uptime, exact(hours)],
        [t.operator.sites, exact(sites)],
      ]}
    />
  );
}

function Rows({ title, note, rows }: { title: string; note?: string; rows: [string, string][] }) {
  return (
    <section class="panel drops">
      <h2>{title}</h2>
      {note && <p class="note">{note}</p>}
      <dl>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="number">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
