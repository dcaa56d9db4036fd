/** For tests: a made-up server, and the page in a document. */

import { render } from 'preact';
import { act } from 'preact/test-utils';
import { vi } from 'vitest';
import { App } from './App';
import { refreshAll } from './state/refresh';

export const KNOWN = {
  site: 'example.com',
  timezone: 'Europe/Berlin',
  from: '2026-10-26',
  to: '2026-11-24',
  fresh_through: '2026-11-24T11:00:00Z',
};

const NOTHING = { visitors: 0, visits: 0, pageviews: 0, views_per_visit: null, bounce_rate: null, visit_duration: null };
const SOMETHING = { visitors: 41, visits: 52, pageviews: 1234, views_per_visit: 2.5, bounce_rate: 40, visit_duration: 65 };

const BEFORE = { ...SOMETHING, visitors: 20, visits: 104, bounce_rate: 50, visit_duration: null };

export type Answers = Record<string, unknown>;

const LISTS = [
  'entry-pages', 'exit-pages', 'hostnames', 'channels', 'referrers', 'campaigns', 'countries', 'regions', 'cities',
  'browsers', 'browser-versions', 'os', 'os-versions', 'devices', 'goals', 'events', 'properties',
];

/** What a server with one busy site answers, by path. */
export function busy(): Answers {
  return {
    '/api/sites': {
      sites: [{ domain: 'example.com', timezone: 'Europe/Berlin', aliases: ['www.example.com'], role: 'owner' }],
      signed_in: true,
      operator: true,
    },
    '/api/notes': { notes: [] },
    '/api/segments': { segments: [] },
    '/api/settings': { funnels: [] },
    ...Object.fromEntries(LISTS.map((name) => [`/api/stats/${name}`, { ...KNOWN, total_rows: 0, rows: [] }])),
    '/api/stats/overview': {
      ...KNOWN,
      metrics: SOMETHING,
      comparison: { from: '2026-09-26', to: '2026-10-25', metrics: BEFORE },
    },
    '/api/stats/trend': {
      ...KNOWN,
      interval: 'day',
      points: [
        { time: '2026-11-23', visitors: 21, visits: 30, pageviews: 90 },
        { time: '2026-11-24', visitors: 20, visits: 22, pageviews: 44 },
      ],
    },
    '/api/stats/pages': {
      ...KNOWN,
      total_rows: 2,
      rows: [
        { page: '/more', visitors: 30, pageviews: 40, visits: 33, entries: 9, exits: 9 },
        { page: '/less', visitors: 3, pageviews: 3, visits: 3, entries: 1, exits: 1 },
      ],
    },
    '/api/stats/sources': {
      ...KNOWN,
      total_rows: 1,
      rows: [{ source: '', channel: 'Direct', visitors: 41, visits: 52, pageviews: 99, bounce_rate: null }],
    },
    '/api/stats/realtime': { ...KNOWN, visitors: 1, pageviews: 2, minutes: 60, points: [] },
    '/api/operator/drops': { reasons: [], unknown_sites: [], recent: [] },
  };
}

/** The same site before its first event. */
export function unseen(): Answers {
  const answers = busy();
  const points = [{ time: '2026-11-01', visitors: 0, visits: 0, pageviews: 0 }];
  return {
    ...answers,
    '/api/stats/overview': { ...KNOWN, metrics: NOTHING },
    '/api/stats/trend': { ...KNOWN, interval: 'month', points },
    '/api/stats/realtime': { ...KNOWN, visitors: 0, pageviews: 0, minutes: 60, points: [] },
  };
}

/** Serves `answers`; a number is a status with an error, a missing path a 404. Returns the addresses asked for. */
export function serve(answers: Answers): string[] {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (address: string) => {
    asked.push(address);
    const answer = answers[address.split('?')[0] ?? ''] ?? 404;
    return typeof answer === 'number'
      ? new Response(JSON.stringify({ error: { field: null, message: `status ${answer}` } }), { status: answer })
      : new Response(JSON.stringify(answer));
  });
  return asked;
}

let page: HTMLElement | undefined;

/** Opens the page at an address. */
export function open(address: string): HTMLElement {
  page = document.createElement('div');
  document.body.append(page);
  history.replaceState(null, '', address);
  dispatchEvent(new PopStateEvent('popstate'));
  render(<App />, page);
  return page;
}

/** Leaves the page, which stops its reads and forgets their answers. */
export async function leave(): Promise<void> {
  const left = page;
  if (!left) return;
  await act(() => render(null, left));
  left.remove();
  refreshAll();
}

/** Waits for as long as a busy machine may take: a chunk that is loaded lazily has to be compiled first. */
export const until = <T,>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 20_000 });
