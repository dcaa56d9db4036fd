/** The answers that the overview, the settings and the operator's page read. */

import type { OverviewAnswer, Site, TrendPoint } from './types';

export interface SiteSummary extends OverviewAnswer {
  points: Pick<TrendPoint, 'time' | 'visitors'>[];
  stale?: true;
}

export interface AllSitesAnswer {
  sites: SiteSummary[];
}

export interface Goal {
  id: number;
  name: string;
  kind: 'event' | 'page' | 'scroll';
  target: string;
  /** Per cent. */
  scroll_depth: number | null;
  /** A decimal: money is never a float. */
  value: string | null;
  currency: string | null;
}

export interface SavedFunnel {
  id: number;
  name: string;
  steps: { page?: string; event?: string }[];
  /** Seconds. */
  window: number;
}

export interface Segment {
  id: number;
  name: string;
  filters: unknown[];
}

export interface Exclusions {
  networks: string[];
  pages: string[];
  countries: string[];
  hostnames: string[];
}

export interface SiteSettings extends Site {
  /** ISO 4217, or "". */
  currency: string;
  /** Whether everybody may see the numbers. */
  public: boolean;
  goals: Goal[];
  segments: Segment[];
  funnels: SavedFunnel[];
  exclusions: Exclusions;
  /** "90d", "13m", or "" for ever. */
  keep_events: string;
  keep_counts: string;
  /** The first day that is still there; null: nothing is gone. */
  events_from: string | null;
  counts_from: string | null;
}

/** What an erasure would take. */
export interface Extent {
  rows: Record<string, number>;
  first_day: string | null;
  last_day: string | null;
}

export interface Erasure {
  id: number;
  state: 'waiting' | 'running' | 'done';
  from?: string | null;
  to?: string | null;
  rows_erased: number;
}

export interface OperatorStatus {
  /** The server's clock, ISO 8601. */
  time: string;
  /** What is wrong, by part. */
  problems: Record<string, string>;
  /** Every figure of /metrics, by its name without "statnive_". */
  figures: Record<string, number>;
  versions: { statnive: string; python: string; clickhouse: string | null };
  /** null: ClickHouse does not answer. */
  tables: { table: string; parts: number; rows: number; bytes: number }[] | null;
  disk: { total_bytes: number; free_bytes: number };
  sites: number;
}

export interface OperatorDrops {
  reasons: { reason: string; events: number }[];
  unknown_sites: { host: string; events: number; last_seen: string }[];
  recent: { time: string; reason: string; detail: string }[];
}
