/** Short names for the answers of the reading API; their shapes are generated (`schema.ts`). */

import type { Figures, List, Notes, Points, Realtime, Segments, Sites, Totals } from './schema';

export type Site = Sites['sites'][number];
export type SitesAnswer = Sites;
export type OverviewAnswer = Totals;
export type TrendAnswer = Points;
export type TrendPoint = Points['points'][number];
export type Interval = Points['interval'];
export type ListAnswer = List;
export type Row = List['rows'][number];
export type RealtimeAnswer = Realtime;
export type Segment = Segments['segments'][number];
export type Note = Notes['notes'][number];
export type Money = NonNullable<Figures['total_revenue']>;
export type { Figures, Funnel, Journeys } from './schema';

/** The operator's routes are not part of the reading API's document. */
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
