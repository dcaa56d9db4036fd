/** Reads and changes that only lazy panels need. */

import { change } from './change';
import { address, ApiError, type Read, type Scope } from './client';
import type { Funnel, Journeys, Note, RealtimeAnswer, Segment } from './types';

export type { Funnel, Journeys };

const made = <Answer>(url: string, ...needs: (keyof Answer & string)[]): Read<Answer> => ({ url, needs });

export const realtime = (site: string) =>
  made<RealtimeAnswer>(address('stats/realtime', { site }), 'visitors', 'pageviews');

export const segments = (site: string) => made<{ segments: Segment[] }>(address('segments', { site }), 'segments');

export const notes = (site: string) => made<{ notes: Note[] }>(address('notes', { site }), 'notes');

/** What is saved of a site, as far as panels need it. */
export interface Settings {
  funnels?: { id: number; name: string; steps: { page?: string; event?: string }[]; window: number }[];
}

export const settings = (site: string) => made<Settings>(address('settings', { site }));

export const funnel = (scope: Scope, steps: string) =>
  made<Funnel>(address('stats/funnel', { ...scope, steps }), 'steps');

export const journeys = (scope: Scope, page: string) =>
  made<Journeys>(address('stats/journeys', { ...scope, limit: 100, ...(page && { page }) }), 'rows');

/** One change. What the server refuses comes as an ApiError with its words. */
export function post<Answer>(path: string, body: object): Promise<Answer> {
  return change<Answer>(path, body);
}

export { ApiError };
