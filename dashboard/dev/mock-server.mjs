// For looking at the dashboard without a server: the build, under the real CSP, over made-up answers. The site chooses
// the scene: example.com is plain, the others are named after what they show. Development only, never shipped.
//
//   node dev/mock-server.mjs [--port 8090] [--no-sites] [--no-drops]

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { DIST } from '../scripts/built-files.mjs';

const flag = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? '');
};
const PORT = Number(flag('port', '8090'));
const NO_SITES = process.argv.includes('--no-sites');
const NO_DROPS = process.argv.includes('--no-drops');

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const ZONE = 'Europe/Berlin';
const SITES = [
  'example.com',
  'huge.example',
  'long.a-rather-long-hostname-of-a-company.example.org',
  'waiting.example',
  'old.example',
  'broken.example',
  'slow.example',
  'small.example',
];
const started = Date.now();

const DAY = 86_400_000;
const iso = (time) => new Date(time).toISOString();
const day = (time) => new Intl.DateTimeFormat('sv-SE', { timeZone: ZONE }).format(time);
const utc = (text) => Date.parse(`${text}T00:00:00Z`);

function daysOf(params) {
  const today = day(Date.now());
  if (params.get('from')) return [params.get('from'), params.get('to')];
  const back = (count) => iso(utc(today) - count * DAY).slice(0, 10);
  switch (params.get('period') ?? '30d') {
    case 'day':
      return [today, today];
    case '7d':
      return [back(6), today];
    case 'month':
      return [`${today.slice(0, 8)}01`, today];
    case '12mo': {
      const date = new Date(utc(today));
      return [iso(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 11, 1)).slice(0, 10), today];
    }
    default:
      return [back(29), today];
  }
}

/** The same number for the same seed, between 0 and 1. */
function chance(seed) {
  let hash = 2166136261;
  for (const char of String(seed)) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 2246822507);
  return ((hash ^ (hash >>> 13)) >>> 0) / 4294967296;
}

function visitorsOn(site, date) {
  if (site === 'waiting.example') return 0;
  if (site === 'old.example') return date >= '2015-05-17' && date <= '2015-05-20' ? 800 : 0;
  if (site === 'small.example') return chance(site + date) > 0.8 ? 1 : 0;
  const weekday = new Date(utc(date)).getUTCDay();
  const base = site === 'huge.example' ? 351_000 : 420;
  return Math.round(base * (weekday % 6 ? 1 : 0.6) * (0.75 + 0.5 * chance(site + date)));
}

function points(site, interval, from, to) {
  const now = Date.now();
  const list = [];
  for (let time = utc(from); time <= utc(to); time += DAY) {
    const date = iso(time).slice(0, 10);
    const visitors = date <= day(now) ? visitorsOn(site, date) : 0;
    if (interval === 'hour') {
      for (let hour = 0; hour < 24; hour++) {
        const text = `${date}T${String(hour).padStart(2, '0')}:00:00+01:00`;
        const share = Math.max(0, Math.sin(((hour - 5) / 24) * Math.PI)) * (0.06 + 0.03 * chance(text));
        list.push(point(text, Date.parse(text) > now ? 0 : Math.round(visitors * share)));
      }
    } else if (interval === 'month' && list.at(-1)?.time.slice(0, 7) === date.slice(0, 7)) {
      list.push(point(list.pop().time, list.sum + visitors));
      list.sum += visitors;
    } else {
      list.push(point(interval === 'month' ? `${date.slice(0, 7)}-01` : date, visitors));
      list.sum = visitors;
    }
  }
  return [...list];
}

function point(time, visitors) {
  const visits = Math.round(visitors * 1.22);
  const pageviews = Math.round(visits * (2.1 + chance(time)));
  const known = visits > 0;
  return {
    time,
    visitors,
    visits,
    pageviews,
    bounce_rate: known ? 38 + 20 * chance(`b${time}`) : null,
    visit_duration: known ? 60 + 90 * chance(`d${time}`) : null,
  };
}

const PAGES = [
  '/', '/pricing', '/docs/getting-started', '/blog/why-we-left-the-cloud', '/docs/install', '/about', '/changelog',
  '/blog/a-week-with-clickhouse', '/docs/api', '/contact', '/docs/funnels', '/blog', '/jobs', '/imprint', '/de/preise',
];
const LONG = [
  `/shop/catalogue/${'very-long-category-name/'.repeat(6)}product-8423?variant=blue`,
  `/suche/${'ä'.repeat(90)}/ergebnis`,
  '/a b/<script>alert(1)</script>',
  '//double/slash',
  '/مقاله/راهنمای-شروع',
  ...PAGES.slice(0, 8),
];
const SOURCES = [
  ['', 'Direct'], ['Google', 'Organic Search'], ['Hacker News', 'Referral'], ['DuckDuckGo', 'Organic Search'],
  ['Bing', 'Organic Search'], ['newsletter', 'Email'], ['Mastodon', 'Organic Social'], ['Reddit', 'Organic Social'],
  ['Google', 'Paid Search'], ['github.com', 'Referral'], ['ChatGPT', 'AI'], ['Ecosia', 'Organic Search'],
];
const LONG_SOURCES = [['a-referrer-with-an-extremely-long-hostname.subdomain.of.some.company.example.net', 'Referral'], ...SOURCES];

function ranked(names, total, params, make) {
  const offset = Number(params.get('offset') ?? 0);
  const limit = Number(params.get('limit') ?? 10);
  const rows = names.map((name, index) => make(name, Math.round((total * 0.55) / (index + 1) ** 1.15)));
  const seen = rows.filter(({ visitors }) => visitors > 0);
  return { total_rows: seen.length, rows: seen.slice(offset, offset + limit) };
}

function answer(path, params) {
  if (path === '/api/sites') {
    const sites = NO_SITES ? [] : SITES.map((domain) => ({ domain, timezone: ZONE, aliases: [`www.${domain}`] }));
    return { sites, signed_in: true, operator: true };
  }
  if (path === '/api/operator/drops') {
    const ago = (minutes) => iso(Date.now() - minutes * 60_000);
    if (NO_DROPS) return { reasons: [], unknown_sites: [], recent: [] };
    return {
      reasons: [
        { reason: 'unknown_site', events: 1_412 },
        { reason: 'fast_reject', events: 318 },
        { reason: 'rate_limit', events: 12 },
      ],
      unknown_sites: [
        { host: 'shop.example.com', events: 1_390, last_seen: ago(3) },
        { host: 'staging.example.com', events: 21, last_seen: ago(1500) },
        { host: '; rm -rf ~', events: 1, last_seen: ago(9) },
      ],
      recent: [{ time: ago(3), reason: 'unknown_site', detail: 'shop.example.com' }],
    };
  }
  const site = params.get('site');
  const [from, to] = daysOf(params);
  const known = { site, timezone: ZONE, from, to, fresh_through: iso(Date.now() - (site === 'old.example' ? 9e6 : 6e4)) };
  const daily = points(site, 'day', from, to);
  const sum = (key) => daily.reduce((total, one) => total + one[key], 0);
  const visitors = Math.round(sum('visitors') * 0.86);
  switch (path) {
    case '/api/stats/overview': {
      const visits = sum('visits');
      if (params.get('metrics') === 'total_revenue') {
        const money = (amount) => ({ total_revenue: visits ? [{ amount, currency: 'EUR' }] : [] });
        return { ...known, metrics: money('12345.60'), comparison: { from, to, metrics: money('11000.00') } };
      }
      const before = { visitors: visitors * 0.9, visits: visits * 1.04, pageviews: sum('pageviews') / 3 };
      return {
        ...known,
        ...(params.get('compare') && {
          comparison: { from, to, metrics: { ...before, views_per_visit: 2, bounce_rate: 51, visit_duration: 99 } },
        }),
        metrics: {
          visitors,
          visits,
          pageviews: sum('pageviews'),
          views_per_visit: visits ? sum('pageviews') / visits : null,
          bounce_rate: visits ? 46.7 : null,
          visit_duration: visits ? 102 : null,
        },
      };
    }
    case '/api/stats/trend': {
      const interval = params.get('interval') ?? (from === to ? 'hour' : 'day');
      const before = points(site, interval, from, to).map((one) => ({ ...one, visitors: Math.round(one.visitors * 0.8) }));
      return {
        ...known,
        interval,
        points: points(site, interval, from, to),
        ...(params.get('compare') && { comparison: { from, to, points: before } }),
      };
    }
    case '/api/stats/pages':
      return {
        ...known,
        ...ranked(site.startsWith('long') ? LONG : PAGES, visitors, params, (page, count) => ({
          page, visitors: count, pageviews: count * 2, visits: count, entries: count, exits: count,
        })),
      };
    case '/api/stats/sources':
      return {
        ...known,
        ...ranked(site.startsWith('long') ? LONG_SOURCES : SOURCES, visitors, params, ([source, channel], count) => ({
          source, channel, visitors: count, visits: count, pageviews: count * 2, bounce_rate: 40,
        })),
      };
    case '/api/stats/realtime': {
      const hours = points(site, 'hour', day(Date.now() - DAY), day(Date.now()))
        .filter(({ time }) => Date.parse(time) <= Date.now())
        .slice(-24);
      const last = hours.at(-1);
      const waited = site === 'waiting.example' && flag('seen-after') && Date.now() - started > flag('seen-after') * 1000;
      return {
        ...known,
        minutes: 60,
        visitors: waited ? 1 : last.visitors,
        pageviews: waited ? 1 : last.pageviews,
        points: hours,
      };
    }
    case '/api/segments':
      return { segments: [{ id: 1, name: 'From search engines', filters: [] }] };
    case '/api/notes':
      return { notes: [{ id: 1, day: iso(Date.now() - 9 * DAY).slice(0, 10), text: 'New pricing page' }] };
    case '/api/settings':
      return { funnels: [{ id: 1, name: 'Signup', steps: [{ page: '/' }, { page: '/pricing' }], window: 3600 }] };
    case '/api/stats/funnel': {
      const steps = JSON.parse(params.get('steps')).map(({ page, event }, index) => ({
        step: page ? `Visit ${page}` : event,
        visitors: Math.round(visitors / (index + 1) ** 2),
        drop_off: index ? Math.round(visitors / index ** 2 - visitors / (index + 1) ** 2) : 0,
        conversion_rate: 100 / (index + 1) ** 2,
        conversion_rate_step: 50,
      }));
      return { ...known, steps, sampled: site === 'huge.example' ? 0.25 : null };
    }
    case '/api/stats/journeys':
      return {
        ...known,
        sampled: null,
        rows: ['', ...PAGES.slice(1, 8)].map((next, index) => ({
          page: params.get('page'), next, visits: Math.round(visitors / (index + 2)), views: Math.round(visitors / (index + 2)),
        })),
      };
    default:
      return listed(path.replace('/api/stats/', ''), known, visitors, params);
  }
}

const LISTED = {
  'entry-pages': ['page', PAGES],
  'exit-pages': ['page', PAGES],
  hostnames: ['hostname', ['example.com', 'www.example.com']],
  channels: ['channel', ['Direct', 'Organic Search', 'Referral', 'Email']],
  referrers: ['referrer', ['', 'https://news.ycombinator.com/item?id=4711', 'https://www.google.com/']],
  campaigns: ['utm_campaign', ['', 'spring', 'launch']],
  countries: ['country', ['DE', 'US', 'FR', 'IR', 'IN', 'BR', 'JP', 'AU', 'ZA', 'CA', 'GB', 'MT', '']],
  regions: ['region', ['DE-BE', 'US-CA', 'FR-IDF', 'IR-23']],
  cities: ['city', ['Berlin', 'San Francisco', 'Paris', 'Tehran', 'Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch']],
  browsers: ['browser', ['Chrome', 'Safari', 'Firefox', 'Edge']],
  os: ['os', ['Windows', 'iOS', 'macOS', 'Android', 'GNU/Linux']],
  devices: ['device', ['Desktop', 'Mobile', 'Tablet']],
  events: ['name', ['Signup', 'Download', 'Outbound Link: Click']],
  properties: ['property', ['plan', 'url']],
  goals: ['goal', ['Signup', 'Visit /thanks', 'Purchase']],
};

function listed(name, known, visitors, params) {
  const [key, names] = LISTED[name] ?? [];
  if (!key) return undefined;
  return {
    ...known,
    ...ranked(names, visitors, params, (value, count) => ({
      [key]: value,
      ...(key === 'city' || key === 'region' ? { country: 'DE' } : {}),
      visitors: count,
      visits: Math.round(count * 1.2),
      pageviews: count * 2,
      events: count + 3,
      bounce_rate: 40,
      conversion_rate: 3.2,
      ...(value === 'Purchase' ? { total_revenue: [{ amount: '12345.60', currency: 'EUR' }] } : {}),
    })),
  };
}

function respondApi(response, url) {
  const site = url.searchParams.get('site') ?? '';
  const reply = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify(body));
  };
  const broken = site === 'broken.example' && !url.pathname.endsWith('/pages');
  if (broken) return reply(503, { error: { field: null, message: 'ClickHouse does not answer (connection refused)' } });
  const body = answer(url.pathname, url.searchParams);
  const send = () => (body ? reply(200, body) : reply(404, { error: { field: null, message: 'no such thing' } }));
  if (site === 'slow.example') setTimeout(send, 4_000);
  else send();
  return undefined;
}

createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://mock');
  if (url.pathname.startsWith('/api/')) return respondApi(response, url);
  const file = join(DIST, url.pathname === '/' ? 'index.html' : url.pathname);
  if (!file.startsWith(DIST) || !existsSync(file)) {
    response.writeHead(404).end();
    return undefined;
  }
  const br = /\bbr\b/.test(String(request.headers['accept-encoding'])) && existsSync(`${file}.br`);
  response.writeHead(200, {
    'content-type': `${TYPES[extname(file)] ?? 'application/octet-stream'}; charset=utf-8`,
    'content-security-policy': CSP,
    'cache-control': url.pathname.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    ...(br ? { 'content-encoding': 'br' } : {}),
  });
  response.end(readFileSync(br ? `${file}.br` : file));
  return undefined;
}).listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/`));
