/**
 * One request, one answer or one ApiError. An answer that can't be trusted is an error too: a page that shows a
 * failed read as "0 visitors" lies.
 */

import type { DropsAnswer, Interval, ListAnswer, OverviewAnswer, SitesAnswer, TrendAnswer } from './types';

/** What the person can do about it decides the kind; the wording is in the catalogue. */
export type FailureKind = 'offline' | 'timeout' | 'refused' | 'unavailable' | 'unreadable';

export class ApiError extends Error {
  constructor(
    readonly kind: FailureKind,
    /** The server's own words, or "". */
    message = '',
    readonly status = 0,
    readonly field: string | null = null,
  ) {
    super(message);
  }
}

/** What a shared link adds to each request; its rights are then the only ones. */
export const access: Record<string, string> = {};

const ANSWER_DEADLINE_MS = 30_000;

/** A read: its address, which is also its cache key, and the keys without which its answer is unreadable. */
export interface Read<Answer> {
  readonly url: string;
  readonly needs: readonly (keyof Answer & string)[];
}

export async function get<Answer>(read: Read<Answer>, signal?: AbortSignal): Promise<Answer> {
  const deadline = AbortSignal.timeout(ANSWER_DEADLINE_MS);
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(read.url, {
      headers: { accept: 'application/json', ...access },
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    answer = parse(await response.text());
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(deadline.aborted ? 'timeout' : 'offline');
  }
  if (!response.ok) throw refusal(response.status, answer);
  if (!isRecord(answer) || read.needs.some((key) => (answer as Record<string, unknown>)[key] == null)) {
    throw new ApiError('unreadable', '', response.status);
  }
  return answer as Answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function refusal(status: number, body: unknown): ApiError {
  const error = isRecord(body) && isRecord(body.error) ? body.error : {};
  const message = typeof error.message === 'string' ? error.message : '';
  const field = typeof error.field === 'string' ? error.field : null;
  return new ApiError(status >= 500 ? 'unavailable' : 'refused', message, status, field);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Whose numbers, and of which days; beside them filters and a comparison. */
export type Scope = { site: string } & Record<string, string>;

type Params = Record<string, string | number>;

function read<Answer>(path: string, params: Params, ...needs: (keyof Answer & string)[]): Read<Answer> {
  return { url: address(path, params), needs };
}

/** The address of a read; `csv` links go there as well. */
export function address(path: string, params: Params): string {
  const search = new URLSearchParams(params as Record<string, string>);
  return search.size ? `/api/${path}?${search}` : `/api/${path}`;
}

export const sites = () => read<SitesAnswer>('sites', {}, 'sites');

export const overview = (scope: Scope) => read<OverviewAnswer>('stats/overview', scope, 'metrics');

export const trend = (scope: Scope, interval: Interval, metrics?: string) =>
  read<TrendAnswer>('stats/trend', { ...scope, interval, ...(metrics && { metrics }) }, 'points');

export const list = (name: string, scope: Scope, more: Params) =>
  read<ListAnswer>(`stats/${name}`, { ...scope, ...more }, 'rows', 'total_rows');

export const drops = () => read<DropsAnswer>('operator/drops', {}, 'reasons', 'unknown_sites');
