/** Reading again: after a change, and when somebody wishes it. Apart from the reads, which the first screen needs. */

import { change } from '../api/change';
import type { Read } from '../api/client';
import { entries, entryOf, load } from './queries';

/** Reads again what was changed. */
export function reload<Answer>(read: Read<Answer>): void {
  void load(entryOf(read as Read<unknown>));
}

/**
 * Reads everything on the page again and forgets the rest. The server is asked to count anew, which it does once a
 * minute for a site; more often its answers are the same, which is what there is to see.
 */
export async function refreshAll(site?: string): Promise<void> {
  if (site) await change(`stats/refresh?${new URLSearchParams({ site })}`, {}).catch(() => undefined);
  for (const [key, entry] of entries) {
    if (entry.listeners.size) void load(entry);
    else entries.delete(key);
  }
}
