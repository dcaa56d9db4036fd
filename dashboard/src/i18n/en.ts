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
  site: { switch: 'Switch site', all: 'All sites' },
  menu: 'Menu',
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
    alias: 'Count it for {site}',
    choose: 'Site to count {host} for',
    own: 'Add it as a site',
    recent: 'The last ones, and why',
    why: 'Reason',
    detail: 'Detail',
    unsafe: 'This is not a valid hostname, so it can’t be added.',
    more: { one: 'and # more hostname', other: 'and # more hostnames' },
    reason: {
      fast_reject: 'Robots and prefetches, refused at the door',
      malformed: 'Not a valid event',
      unknown_site: 'No site has the hostname',
      rate_limit: 'Too many from one address',
      referrer_spam: 'Referrer spam',
      overload: 'Log nearly full',
      excluded: 'Left out by the site’s settings',
      no_visit: 'Engagement without a visit',
    } as Record<string, string>,
  },

  first: {
    site: {
      title: 'Add your first site',
      text: 'statnive is running and has no site yet.',
      command: 'Or on the server, by its command line; this page goes on by itself:',
      demo: 'Or look around first, on a made-up site with a month of traffic:',
    },
    title: 'Put this on {site}',
    text: 'Paste it into the <head> of every page. It sets no cookie and stores nothing in the browser.',
    snippet: 'Snippet',
    command: 'Command',
    waiting: 'Waiting for the first event from {site} …',
    seen: 'Seen! The first event has arrived.',
    show: 'Show the dashboard',
    hint: 'Open a page of yours in a browser. Robots, prefetches and other hostnames are not counted; what was left out is listed below, with the reason.',
  },

  snippet: {
    kind: { html: 'HTML', wordpress: 'WordPress', nextjs: 'Next.js', gtm: 'Tag Manager' },
    how: {
      html: 'Into the <head> of every page, or of the template that they share.',
      wordpress: 'Into functions.php of your child theme (or a plugin for code snippets).',
      nextjs: 'Into the layout that all pages share: app/layout.tsx, or pages/_app.tsx.',
      gtm: 'As a Custom HTML tag with the trigger “All Pages”. A content blocker that stops the tag manager stops it too.',
    },
  },

  add: {
    title: 'Add a site',
    do: 'Add the site',
    domain: 'Hostname',
    domainNote: 'Without https:// and path. The www. before it counts too.',
    timezoneNote: 'Days begin at midnight there.',
    stale: 'Of before: the database does not answer right now.',
  },

  menus: { settings: 'Site settings', operator: 'Server', language: 'Language' },

  settings: {
    of: 'Settings of {site}',
    back: 'Back to the numbers',
    add: 'Add',
    save: 'Save',
    remove: 'Remove',
    hosts: 'Hostnames',
    hostsNote: 'Events from any of these count for the site, and from each with www. in front.',
    name: 'The site’s name',
    makeName: 'Make it the name',
    host: 'Another hostname',
    hostNote: 'Its events count for {site} from now on.',
    zone: 'Time zone and currency',
    zoneNote: 'Days and hours are cut when an event comes in: another time zone holds from now on, and leaves the past as it is.',
    timezone: 'Time zone',
    currency: 'Currency',
    goals: 'Goals',
    goalsNote: 'A goal counts from its adding on. It can’t be changed, only removed and added anew: so its count keeps its meaning.',
    kind: 'Reached by',
    kinds: { event: 'A custom event', page: 'A page view', scroll: 'Scrolling down a page' },
    eventName: 'Name of the event',
    path: 'Path, with * and **',
    depth: 'Depth in per cent',
    value: 'Worth, if anything',
    funnels: 'Funnels',
    funnelsNote: 'Which share of the visitors takes some steps one after the other.',
    funnelName: 'Name',
    steps: 'Steps',
    stepsNote: 'One a line, two to eight: a path such as /pricing, or the name of an event.',
    within: 'All within',
    hour: 'One hour',
    day: 'One day',
    segments: 'Saved segments',
    segmentsNote: 'Filters that were saved under a name.',
    noSegments: 'None is saved. Filter the numbers of the site, then save the filters.',
    exclusions: 'Left out',
    exclusionsNote: 'Events that are not to be counted, from now on. One entry a line.',
    excluded: {
      networks: 'Addresses and ranges',
      pages: 'Pages, with * and **',
      countries: 'Countries, by their two letters',
      hostnames: 'Hostnames, *. for all below one',
    },
  },

  operator: {
    well: 'All is well: events are taken, made durable and inserted.',
    part: { log: 'Log:', clickhouse: 'ClickHouse:' } as Record<string, string>,
    events: 'Events a second',
    sofar: '{count} since the start',
    ack: 'Time of a commit',
    longest: 'longest {time}',
    log: 'Log in use',
    of: '{part} of {whole}',
    lag: 'Events on their way',
    retries: '{count} retries',
    inserted: 'Last insert',
    disk: 'Disk free',
    node: 'Limits and checks',
    connections: 'Open connections',
    limited: 'Requests over a limit',
    keys: 'Addresses being limited',
    refused: 'Refused: log nearly full',
    quarantine: 'Rows set aside',
    drift: 'Rows by which rollups differ',
    visits: 'Open visits',
    rebuilt: 'Visits found at the start',
    caches: 'Caches',
    cachesNote: 'Share of look-ups that were answered from memory.',
    cache: { agent: 'User agents', source: 'Sources', sender: 'Addresses', page: 'Pages' } as Record<string, string>,
    answers: 'Answers of this API',
    tables: 'Tables',
    table: 'Table',
    parts: 'Parts',
    rows: 'Rows',
    size: 'Size',
    noTables: 'ClickHouse does not answer.',
    versions: 'Versions',
    sites: 'Sites',
    took: 'took {time}',
    uptime: 'Hours since the start',
  },

  unknownSite: { title: 'No site is called {site}', text: 'These are here:' },
  copy: { do: 'Copy', done: 'Copied', failed: 'Press Ctrl+C' },
};

export default en;
export type Catalogue = typeof en;

type Part<Entry> = Entry extends { other: string }
  ? { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>
  : Entry extends string
    ? Entry
    : { [Key in keyof Entry]?: Part<Entry[Key]> };
/** Another language's catalogue: what is missing is English until somebody translates it. */
export type Translation = Part<Catalogue>;
