/**
 * English, and the shape of every other language: a file beside this one (de.ts, fa.ts …) that exports the same keys
 * as its default is all that a language needs. Data only: "{name}" is filled in, "#" is the count of a plural, whose
 * forms are those that Intl.PluralRules names for the language.
 */

const en = {
  direction: 'ltr' as 'ltr' | 'rtl',
  loading: 'Loading',

  metric: {
    visitors: 'Visitors',
    visits: 'Visits',
    pageviews: 'Page views',
    views_per_visit: 'Views per visit',
    bounce_rate: 'Bounce rate',
    visit_duration: 'Visit duration',
  },

  period: {
    day: 'Today',
    '7d': 'Last 7 days',
    '30d': 'Last 30 days',
    month: 'This month',
    '12mo': 'Last 12 months',
  },
  interval: { hour: 'Hours', day: 'Days', month: 'Months' },
  site: { switch: 'Switch site' },
  range: { choose: 'Choose the days', earlier: 'Earlier', later: 'Later' },
  theme: { dark: 'Dark colours', light: 'Light colours' },
  fresh: { through: 'Data through {time}', behind: 'Behind: data only through {time}', refresh: 'Refresh' },
  trend: { title: 'Trend', show: 'Show as', chart: 'Chart', table: 'Table', grain: 'One point for each of' },
  attention: { one: '# unknown hostname', other: '# unknown hostnames' },

  error: {
    title: 'These numbers could not be read',
    refresh: 'Could not refresh.',
    retry: 'Retry',
    kind: {
      offline: 'The server did not answer. It may be down, or your connection is.',
      timeout: 'The server took too long to answer.',
      refused: 'The server refused the request.',
      unavailable: 'The server can’t read its database right now.',
      unreadable: 'The server’s answer is not one this page understands.',
    },
  },

  sites: { find: 'Find a site', none: 'No site matches' },
  days: {
    custom: 'Custom range',
    from: 'From',
    to: 'To',
    apply: 'Show these days',
    wrong: 'The first day must not be after the last one.',
  },

  course: {
    time: 'Time',
    summary: '{metric}, {from} to {to}',
    partial: 'so far',
    none: 'No visits in these days',
    latest: 'The latest visits are from {month}.',
    go: 'Show {month}',
    unavailable: 'The server gives this number for the whole range only, so there is no line to draw.',
  },

  pages: { title: 'Top pages', page: 'Page', open: 'Open {page}', none: 'No page was viewed in these days.' },
  sources: { title: 'Top sources', source: 'Source', direct: 'Direct', none: 'No visit began in these days.' },
  list: { share: 'Share', range: '{from}–{to} of {total}', previous: 'Previous rows', next: 'Next rows' },

  realtime: {
    title: 'The last hour',
    visitors: { one: 'visitor', other: 'visitors' },
    pageviews: { one: '# page view', other: '# page views' },
    hours: 'Visitors, hour by hour',
    bar: { one: '{time}: # visitor', other: '{time}: # visitors' },
  },

  drops: {
    title: 'Not counted',
    hint: 'Events on all sites since the server’s start that were not recorded, and why.',
    none: 'Nothing was dropped: every event that came in was recorded.',
    notice: 'Events for {host} were dropped: no site has this hostname.',
    events: { one: '# event', other: '# events' },
    seen: '{events}, last {time}',
    add: 'To count it from now on, run:',
    unsafe: 'This is not a valid hostname, so it can’t be added.',
    more: { one: 'and # more hostname', other: 'and # more hostnames' },
    reason: {
      fast_reject: 'Robots and prefetches, refused at the door',
      malformed: 'Not a valid event',
      unknown_site: 'No site has the hostname',
      rate_limit: 'Too many from one address',
      referrer_spam: 'Referrer spam',
      overload: 'Log nearly full',
      no_visit: 'Engagement without a visit',
    } as Record<string, string>,
  },

  first: {
    site: {
      title: 'Add your first site',
      text: 'statnive is running and has no site yet. Add one on the server; this page goes on by itself.',
    },
    title: 'Put this on {site}',
    text: 'Paste it into the <head> of every page. It sets no cookie and stores nothing in the browser.',
    snippet: 'Snippet',
    command: 'Command',
    waiting: 'Waiting for the first event from {site} …',
    waitingSite: 'Waiting for a site …',
    seen: 'Seen! The first event has arrived.',
    show: 'Show the dashboard',
    hint: 'Open a page of yours in a browser. Robots, prefetches and other hostnames are not counted; what was left out is listed below, with the reason.',
  },

  unknownSite: { title: 'No site is called {site}', text: 'These are here:' },
  copy: { do: 'Copy', done: 'Copied', failed: 'Press Ctrl+C' },
};

export default en;
export type Catalogue = typeof en;
