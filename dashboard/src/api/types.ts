/** The answers of the HTTP reading API. Days and hours are the site's own; instants are ISO 8601. */

export interface Site {
  domain: string;
  timezone: string;
  aliases: string[];
}

export interface SitesAnswer {
  sites: Site[];
}

/** What every answer about a site carries. */
export interface StatsAnswer {
  site: string;
  timezone: string;
  /** First and last day, inclusive, YYYY-MM-DD. */
  from: string;
  to: string;
  /** The instant up to which every event is in the numbers. */
  fresh_through: string;
}

/** A ratio is null when there is nothing to divide by: "unknown", which is not 0. */
export interface Metrics {
  visitors: number;
  visits: number;
  pageviews: number;
  views_per_visit: number | null;
  /** 0 to 100. */
  bounce_rate: number | null;
  /** Seconds. */
  visit_duration: number | null;
}

export interface OverviewAnswer extends StatsAnswer {
  metrics: Metrics;
}

export type Interval = 'hour' | 'day' | 'month';

export interface TrendPoint {
  /** "2026-11-01", or "2026-11-01T13:00:00+01:00" for an hour. */
  time: string;
  visitors: number;
  visits: number;
  pageviews: number;
  views_per_visit?: number | null;
  bounce_rate?: number | null;
  visit_duration?: number | null;
}

export interface TrendAnswer extends StatsAnswer {
  interval: Interval;
  points: TrendPoint[];
}

export interface PageRow {
  page: string;
  visitors: number;
  pageviews: number;
  visits: number;
  entries: number;
  exits: number;
}

export interface SourceRow {
  /** "" is direct. */
  source: string;
  channel: string;
  visitors: number;
  visits: number;
  pageviews: number;
  bounce_rate: number | null;
}

export interface ListAnswer<Row> extends StatsAnswer {
  total_rows: number;
  rows: Row[];
}

export interface RealtimeAnswer extends StatsAnswer {
  visitors: number;
  pageviews: number;
  minutes: number;
  points: { time: string; visitors: number; pageviews?: number }[];
}

export interface UnknownSite {
  host: string;
  events: number;
  last_seen: string;
}

export interface DropsAnswer {
  reasons: { reason: string; events: number }[];
  unknown_sites: UnknownSite[];
  recent: { time: string; reason: string; detail: string }[];
}
