// @vitest-environment happy-dom

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { busy, KNOWN, leave, open, serve, unseen, until } from './testing';

// The chart wants a canvas; its numbers are tested without one.
vi.mock('./panels/trend/TrendChart', () => ({ TrendChart: () => <i class="drawn" /> }));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: new Date('2026-11-24T11:20:00Z') });
});

afterEach(async () => {
  await leave();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const text = (root: HTMLElement, selector: string) =>
  [...root.querySelectorAll(selector)].map((element) => element.textContent?.trim());

function click(root: HTMLElement, selector: string): void {
  const element = root.querySelector<HTMLElement>(selector);
  if (!element) throw new Error(`nothing is ${selector}`);
  element.click();
}

test('a site shows its numbers, its lists by visitors, and how fresh they are', async () => {
  serve(busy());
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.headline .value')).toEqual(['41', '52', '1,234', '2.5', '40%', '1m 05s']));
  await until(() => expect(text(root, '.path .head')).toEqual(['/more', '/less']));
  await until(() => expect(text(root, '.list .name')).toContain('Direct'));
  expect(text(root, '.headline .change')).toEqual(['+105%', '-50%', '0%', '0%', '-20%', '']);
  expect(root.querySelector('.headline .change.good')?.getAttribute('title')).toMatch(/^20 in Sep 26\s–\sOct 25, 2026$/);
  expect([...root.querySelectorAll('.headline .change')].map(({ className }) => className)).toEqual([
    'change good', 'change bad', 'change ', 'change ', 'change good', 'change ',
  ]);
  expect(root.querySelector<HTMLElement>('.bar')?.style.width).toBe('100%');
  await until(() => expect(text(root, '.through')[0]).toBe('Data through 12:00 PM'));
  await until(() => expect(text(root, '.sum strong')).toEqual(['1']));
});

test('an address without a site gets the first one', async () => {
  serve(busy());
  const root = open('/?period=7d');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
  expect(location.search).toBe('?site=example.com&period=7d');
});

test('a database error is shown as an error with a retry, never as a zero', async () => {
  const answers = busy();
  for (const path of Object.keys(answers)) if (path.startsWith('/api/stats/')) answers[path] = 503;
  serve(answers);
  const root = open('/?site=example.com');
  // The two halves of the trend, four lists and the map, the last hour; the funnel's builder does without numbers.
  await until(() => expect(root.querySelectorAll('.failure')).toHaveLength(8));
  expect(text(root, '.failure .said')).toEqual(Array(8).fill('status 503'));
  expect(text(root, '.value, .number, .sum strong')).not.toContain('0');
  expect(root.querySelector('.waiting')).toBeNull();

  serve(busy());
  for (const button of root.querySelectorAll<HTMLElement>('.failure button')) button.click();
  await until(() => expect(root.querySelectorAll('.failure')).toHaveLength(0));
  expect(text(root, '.headline .value')[0]).toBe('41');
});

test('days that the server refuses are told with the field and the limit', async () => {
  const answers = busy();
  serve(answers);
  const served = fetch;
  const refused = { error: { field: 'from', message: 'must be a date YYYY-MM-DD from 1970-01-02 to 2105-12-30' } };
  vi.stubGlobal('fetch', async (url: string) =>
    url.includes('/overview') ? new Response(JSON.stringify(refused), { status: 400 }) : served(url),
  );
  const root = open('/?site=example.com&from=1900-01-01&to=2026-11-24');
  await until(() => expect(text(root, '.trend .said')[0]).toBe(`from: ${refused.error.message}`));
});

test('a refresh that fails says so and keeps the numbers it had', async () => {
  const answers = busy();
  serve(answers);
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.path .head')).toEqual(['/more', '/less']));
  answers['/api/stats/pages'] = 503;
  await until(() => expect(root.querySelector('.freshness button')).not.toBeNull());
  click(root, '.freshness button');
  await until(() => expect(text(root, '.list .strip')[0]).toContain('Could not refresh.'));
  expect(text(root, '.path .head')).toEqual(['/more', '/less']);
});

test('another range that fails does not show the numbers of the one before', async () => {
  const answers = busy();
  serve(answers);
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
  answers['/api/stats/overview'] = 503;
  click(root, 'a.step');
  await until(() => expect(root.querySelector('.trend .failure')).not.toBeNull());
  expect(root.querySelector('.headline')).toBeNull();
});

test('the whole state is in the address, and back and forward follow it', async () => {
  const asked = serve(busy());
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
  const chosen = () => text(root, '.headline [aria-current=true] .label');
  expect(chosen()).toEqual(['Visitors']);
  click(root, '.headline li:nth-child(5) a');
  await until(() => expect(chosen()).toEqual(['Bounce rate']));
  expect(location.search).toBe('?site=example.com&metric=bounce_rate');
  click(root, 'a.step');
  await until(() => expect(location.search).toBe('?site=example.com&from=2026-09-26&to=2026-10-25&metric=bounce_rate'));
  await until(() => expect(asked.some((url) => /overview.*from=2026-09-26&to=2026-10-25/.test(url))).toBe(true));

  history.replaceState(null, '', '/?site=example.com');
  dispatchEvent(new PopStateEvent('popstate'));
  await until(() => expect(chosen()).toEqual(['Visitors']));
  expect(text(root, '.range .name')).toEqual(['Last 30 days']);
});

test('panels that need the same numbers ask once', async () => {
  const asked = serve(busy());
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.path .head')).toHaveLength(2));
  await until(() => expect(root.querySelector('.builder')).not.toBeNull());
  await until(() => expect(text(root, '.sum strong')).toHaveLength(1));
  expect(new Set(asked).size).toBe(asked.length);
  expect(asked.filter((url) => url.includes('/overview'))).toHaveLength(2);
});

test('a site without any event shows the snippet and waits, until one is seen', async () => {
  const answers = unseen();
  serve(answers);
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.waiting')[0]).toBe('Waiting for the first event from example.com …'));
  expect(text(root, '.first code')).toEqual([
    `<script async src="${location.origin}/tracker.js" data-domain="example.com"></script>`,
  ]);
  await until(() => expect(root.querySelector('.headline')).toBeNull());

  vi.stubGlobal('navigator', { clipboard: { writeText: vi.fn() } });
  click(root, '.first .copy-line button');
  await until(() => expect(text(root, '.first .copy-line button')).toEqual(['Copied']));
  expect(navigator.clipboard.writeText).toHaveBeenCalledWith(text(root, '.first code')[0]);

  Object.assign(answers, busy());
  vi.advanceTimersByTime(3_000);
  await until(() => expect(text(root, '.waiting')[0]).toContain('Seen!'));
  click(root, '.waiting button');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
});

test('while it is not known whether there was ever an event, no zeros are shown', async () => {
  const answers = unseen();
  const never = new Promise<Response>(() => undefined);
  serve(answers);
  const served = fetch;
  vi.stubGlobal('fetch', (url: string) => (url.includes('interval=month') ? never : served(url)));
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.through')[0]).toContain('Data through'));
  expect(new Set(text(root, '.headline .value'))).toEqual(new Set(['']));
  expect(root.querySelector('.waiting')).toBeNull();
});

test('a site whose events are older than ten years is not taken for a new one', async () => {
  const answers = unseen();
  serve(answers);
  const served = fetch;
  const old = { time: '2015-05-01', visitors: 7, visits: 9, pageviews: 9 };
  vi.stubGlobal('fetch', async (url: string) =>
    url.includes('from=2007-01-01&to=2016-11-30&interval=month')
      ? new Response(JSON.stringify({ ...KNOWN, interval: 'month', points: [old] }))
      : served(url),
  );
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.headline .value')).toEqual(['0', '0', '0', '–', '–', '–']));
  await until(() => expect(text(root, '.over .link')).toEqual(['Show May 2015']));
  expect(root.querySelector('.waiting')).toBeNull();
  click(root, '.over .link');
  expect(location.search).toBe('?site=example.com&from=2015-05-01&to=2015-05-31');
});

test('a server without a site shows how to add one', async () => {
  serve({ ...busy(), '/api/sites': { sites: [] } });
  const root = open('/');
  await until(() => expect(text(root, '.first code')[0]).toMatch(/^statnive site add example\.com --timezone /));
});

test('a site that is not there is said to be not there', async () => {
  serve(busy());
  const root = open('/?site=nope.example');
  await until(() => expect(text(root, 'h1')).toEqual(['No site is called nope.example']));
  expect(text(root, '.alone a')).toEqual(['example.com']);
});

test('an alias opens its site', async () => {
  serve(busy());
  const root = open('/?site=www.example.com');
  await until(() => expect(text(root, '.sites .name')).toEqual(['example.com']));
});

test('a list of sites that can not be read is an error with a retry', async () => {
  serve({ ...busy(), '/api/sites': 503 });
  const root = open('/');
  await until(() => expect(text(root, '.alone .said')).toEqual(['status 503']));
  serve(busy());
  click(root, '.failure button');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
});

test('a click on a row filters everything, and the filter is a chip that can be taken away', async () => {
  const asked = serve(busy());
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.path .head')).toHaveLength(2));
  click(root, '.list a.row-name');
  expect(location.search).toBe('?site=example.com&f=is%3Apage%3A%2Fmore');
  await until(() => expect(text(root, '.chip .name')).toEqual(['Page is /more']));
  const wanted = encodeURIComponent('[["is","event:page",["/more"]]]');
  for (const name of ['overview', 'trend', 'pages', 'sources']) {
    await until(() => expect(asked.some((url) => url.includes(`/${name}?`) && url.includes(wanted))).toBe(true));
  }
  click(root, '.chip > a');
  await until(() => expect(root.querySelector('.chip')).toBeNull());
  expect(location.search).toBe('?site=example.com');
});

test('a filter is made by keyboard: what, how, a suggested value', async () => {
  serve(busy());
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
  click(root, '.add button');
  await until(() => expect(text(root, '.dims .choices button')).toContain('Exit page'));
  const choose = (label: string) => {
    const found = [...root.querySelectorAll<HTMLElement>('.add .choices button')];
    found.find((button) => button.textContent?.startsWith(label))?.click();
  };
  choose('Page');
  await until(() => expect(text(root, '.suggested .name')).toEqual(['/more', '/less']));
  const select = root.querySelector('select') as HTMLSelectElement;
  select.value = 'is_not';
  select.dispatchEvent(new Event('change', { bubbles: true }));
  choose('/less');
  await until(() => expect(text(root, '.values button')).toEqual(['/less']));
  click(root, '.editor button[type=submit]');
  await until(() => expect(new URLSearchParams(location.search).get('f')).toBe('is_not:page:/less'));
});

test('a whole list opens over the page, sorts and closes by the address', async () => {
  const asked = serve(busy());
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.list footer .all')).toContain('Show all 2 Pages'));
  click(root, '.list footer a.all');
  await until(() => expect(text(root, 'dialog h2')).toEqual(['Pages']));
  await until(() => expect(text(root, 'dialog tbody th .head')).toEqual(['/more', '/less']));
  expect(text(root, 'dialog thead th')).toEqual(['Page', 'Visitors', 'Views', 'Entries', 'Exits']);
  click(root, 'dialog thead th:nth-child(3) a');
  await until(() => expect(asked.some((url) => url.includes('sort=-pageviews'))).toBe(true));
  expect(root.querySelector('dialog a[download]')?.getAttribute('href')).toContain('format=csv');
  click(root, 'dialog header button');
  await until(() => expect(root.querySelector('dialog')).toBeNull());
  expect(location.search).toBe('?site=example.com');
});

test('a key chooses the days, but not where one types', async () => {
  serve(busy());
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
  const press = (target: Element, key: string) =>
    target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  press(document.body, 'w');
  await until(() => expect(location.search).toBe('?site=example.com&period=7d'));
  press(document.body, 'x');
  await until(() => expect(location.search).toBe('?site=example.com&period=7d&compare=year_before'));
  click(root, '.add button');
  await until(() => expect(root.querySelector('.add input')).not.toBeNull());
  press(root.querySelector('.add input') as Element, 'd');
  press(document.body, '?');
  await until(() => expect(text(root, 'dialog h2')).toEqual(['Keyboard shortcuts']));
  expect(location.search).toContain('period=7d');
});

test('stale numbers say that they are', async () => {
  const answers = busy();
  answers['/api/stats/overview'] = { ...(answers['/api/stats/overview'] as object), stale: true };
  serve(answers);
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.through.behind')[0]).toContain('older numbers'));
});

test('unknown hostnames are told on top', async () => {
  const answers = busy();
  answers['/api/operator/drops'] = {
    reasons: [{ reason: 'unknown_site', events: 4 }],
    unknown_sites: [{ host: 'www.x.com', events: 3, last_seen: '2026-11-24T11:00:00Z' }],
    recent: [],
  };
  serve(answers);
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.pill')).toEqual(['1 unknown hostname']));
});

test('who is not signed in is asked to, in place of numbers', async () => {
  serve({ ...busy(), '/api/sites': 401, '/api/account': { mode: 'accounts', needs_setup: false, account: null } });
  const root = open('/?site=example.com');
  await until(() => expect(text(root, 'h1')).toEqual(['Sign in']));
  expect(root.querySelector('.sites button, .range')).toBeNull();
});

test('who may only look is shown no control for writing', async () => {
  const answers = busy();
  const sites = (role: string) => [{ domain: 'example.com', timezone: 'UTC', aliases: [], role }];
  answers['/api/segments'] = { segments: [{ id: 7, name: 'Readers', filters: [] }] };
  const address = '/?site=example.com&f=is:page:/more';
  const shown = async (role: string) => {
    serve({ ...answers, '/api/sites': { sites: sites(role), signed_in: true, operator: false } });
    const root = open(address);
    await until(() => expect(root.querySelector('.tools .segments')).not.toBeNull());
    click(root, '.add button');
    await until(() => expect(text(root, '.segments-saved .name')).toEqual(['Readers']));
    const there = (...selectors: string[]) => selectors.filter((selector) => root.querySelector(selector));
    const found = there('.notes', '.segments-saved .save', '.segments-saved .step');
    click(root, '.menu button');
    await until(() => expect(root.querySelector('.menu a[href="/account"]')).not.toBeNull());
    found.push(...there('.menu a[href^="/settings"]'));
    await leave();
    return found.length;
  };
  expect(await shown('admin')).toBe(4);
  expect(await shown('viewer')).toBe(0);
});

test('settings are not for who may only look: the address leads to the numbers', async () => {
  const sites = [{ domain: 'example.com', timezone: 'UTC', aliases: [], role: 'viewer' }];
  serve({ ...busy(), '/api/sites': { sites, signed_in: true, operator: false } });
  const root = open('/settings?site=example.com');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
  expect(location.pathname).toBe('/');
});

test('who may only look at a site without events waits for them without a snippet', async () => {
  const sites = [{ domain: 'example.com', timezone: 'UTC', aliases: [], role: 'viewer' }];
  const asked = serve({ ...unseen(), '/api/sites': { sites, signed_in: false, operator: false } });
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.waiting')[0]).toBe('Waiting for the first event from example.com …'));
  expect(root.querySelector('code')).toBeNull();
  expect(asked.some((address) => address.includes('operator'))).toBe(false);
});

test('public sites are shown by their address; without one there is the sign-in', async () => {
  const sites = [{ domain: 'example.com', timezone: 'UTC', aliases: [], role: 'viewer' }];
  const account = { mode: 'accounts', needs_setup: false, account: null };
  const asked = serve({
    ...busy(),
    '/api/sites': { sites, signed_in: false, operator: false },
    '/api/account': account,
  });
  const root = open('/?site=example.com');
  await until(() => expect(text(root, '.headline .value')[0]).toBe('41'));
  expect(asked.some((address) => address.includes('operator'))).toBe(false);
  expect(root.querySelector('.drops')).toBeNull();
  await leave();
  const start = open('/');
  await until(() => expect(text(start, 'h1')).toEqual(['Sign in']));
});
