/**
 * Reads that components share. An entry is keyed by its address, so two panels that need the same numbers make one
 * request; stepping back shows what was there at once.
 */

import { useEffect, useReducer, useRef } from 'preact/hooks';
import { ApiError, get, type Read } from '../api/client';

const FRESH_MS = 60_000;
const ENTRIES_MAX = 60;

interface Entry {
  data?: unknown;
  error?: ApiError | undefined;
  loadedAt: number;
  inFlight?: AbortController | undefined;
  listeners: Set<() => void>;
  read: Read<unknown>;
}

/** For `refresh` only. */
export const entries = new Map<string, Entry>();

export interface Query<Answer> {
  /** The newest answer; while another range loads, the one before it (`outdated`), so that nothing jumps. */
  data: Answer | undefined;
  outdated: boolean;
  error: ApiError | undefined;
  loading: boolean;
  retry: () => void;
}

export function entryOf(read: Read<unknown>): Entry {
  let entry = entries.get(read.url);
  if (!entry) {
    entry = { loadedAt: 0, listeners: new Set(), read };
    entries.set(read.url, entry);
    evict();
  }
  return entry;
}

function evict(): void {
  for (const [key, entry] of entries) {
    if (entries.size <= ENTRIES_MAX) return;
    if (!entry.listeners.size && !entry.inFlight) entries.delete(key);
  }
}

/**
 * Answers that come together are drawn one after the other, each in a task of its own: drawing them all in one would
 * keep a slow phone from answering.
 */
let turn = Promise.resolve();
const ownTask = () => (turn = turn.then(() => new Promise((resolve) => setTimeout(resolve))));

export async function load(entry: Entry): Promise<void> {
  if (entry.inFlight) return;
  const controller = new AbortController();
  entry.inFlight = controller;
  tell(entry);
  try {
    const data = await get(entry.read, controller.signal);
    await ownTask();
    entry.data = data;
    entry.error = undefined;
    entry.loadedAt = Date.now();
  } catch (error) {
    if (!controller.signal.aborted) entry.error = error instanceof ApiError ? error : new ApiError('unreadable');
  }
  if (entry.inFlight === controller) entry.inFlight = undefined;
  tell(entry);
}

function tell(entry: Entry): void {
  for (const listener of entry.listeners) listener();
}

/**
 * Follows one read while mounted; `null` reads nothing. With `everyMs` it is read again and again while the page is
 * visible.
 */
export function useQuery<Answer>(read: Read<Answer> | null, everyMs?: number): Query<Answer> {
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);
  const previous = useRef<unknown>(undefined);
  const url = read?.url;

  useEffect(() => {
    if (!read) return;
    const entry = entryOf(read as Read<unknown>);
    const listener = () => redraw();
    entry.listeners.add(listener);
    if (entry.data === undefined || Date.now() - entry.loadedAt > FRESH_MS) void load(entry);
    else redraw();
    const timer = everyMs && setInterval(() => document.hidden || void load(entry), everyMs);
    return () => {
      clearInterval(timer || undefined);
      entry.listeners.delete(listener);
      if (entry.listeners.size) return;
      entry.inFlight?.abort();
      entry.inFlight = undefined;
      entry.error = undefined;
    };
  }, [url, everyMs]);

  const entry = url === undefined ? undefined : entries.get(url);
  if (entry?.data !== undefined) previous.current = entry.data;
  // What failed must not go on showing the numbers of another range.
  else if (entry?.error) previous.current = undefined;
  return {
    data: (url === undefined ? undefined : previous.current) as Answer | undefined,
    outdated: entry?.data === undefined && previous.current !== undefined,
    error: entry?.error,
    loading: url !== undefined && (!entry || entry.inFlight !== undefined || (!entry.data && !entry.error)),
    retry: () => entry && void load(entry),
  };
}

/** Starts a read that a component is about to ask for. */
export function prefetch<Answer>(read: Read<Answer>): void {
  const entry = entryOf(read as Read<unknown>);
  if (entry.data === undefined) void load(entry);
}
