/** Which lists there are, on which card, and what a row of each is filtered by. */

import type { Row } from '../api/types';
import type { Filter } from '../state/filters';
import type { Route } from '../state/route';

export interface ListKind {
  /** The name of the report in the API, in addresses and in the catalogue of sentences. */
  name: string;
  /** The key of a row that says what it is. */
  key: keyof Row & string;
  /** What a click on a row filters by. */
  dim?: string;
  /** More parameters of the report. */
  params?: Record<string, string>;
  /** What ranks the rows and has the bars. */
  main: 'visitors' | 'visits' | 'events';
  /** Shown beside it, on a card. */
  beside?: 'conversion_rate' | 'total_revenue' | 'bounce_rate' | 'events';
  /** What the whole list shows. */
  columns: readonly Column[];
  /** Text that searches; lists of the server that can't be searched have none. */
  searched?: false;
}

export type Column =
  | 'visitors' | 'visits' | 'pageviews' | 'events' | 'entries' | 'exits' | 'views_per_visit' | 'bounce_rate'
  | 'visit_duration' | 'time_on_page' | 'scroll_depth' | 'conversion_rate' | 'total_revenue' | 'average_revenue';

const OF_VISITS = ['visitors', 'visits', 'pageviews', 'views_per_visit', 'bounce_rate', 'visit_duration'] as const;

function ofVisits(name: string, key: ListKind['key'], dim = key as string, more: Partial<ListKind> = {}): ListKind {
  return { name, key, dim, main: 'visitors', columns: OF_VISITS, ...more };
}

const tag = (name: string) =>
  ofVisits('campaigns', `utm_${name}` as ListKind['key'], `utm_${name}`, { params: { tag: `utm_${name}` } });

export const LISTS = {
  pages: {
    name: 'pages', key: 'page', dim: 'page', main: 'visitors',
    columns: ['visitors', 'pageviews', 'entries', 'exits', 'bounce_rate', 'time_on_page', 'scroll_depth'],
  },
  'entry-pages': ofVisits('entry-pages', 'page', 'entry_page', { main: 'visits' }),
  'exit-pages': ofVisits('exit-pages', 'page', 'exit_page', { main: 'visits' }),
  hostnames: {
    name: 'hostnames', key: 'hostname', dim: 'hostname', main: 'visitors', columns: ['visitors', 'pageviews', 'events'],
  },
  sources: ofVisits('sources', 'source'),
  channels: ofVisits('channels', 'channel'),
  referrers: ofVisits('referrers', 'referrer'),
  utm_campaign: tag('campaign'),
  utm_source: tag('source'),
  utm_medium: tag('medium'),
  utm_content: tag('content'),
  utm_term: tag('term'),
  countries: ofVisits('countries', 'country'),
  regions: ofVisits('regions', 'region'),
  cities: ofVisits('cities', 'city', 'city_name'),
  browsers: ofVisits('browsers', 'browser'),
  'browser-versions': ofVisits('browser-versions', 'version', 'browser_version'),
  os: ofVisits('os', 'os'),
  'os-versions': ofVisits('os-versions', 'version', 'os_version'),
  devices: ofVisits('devices', 'device'),
  goals: {
    name: 'goals', key: 'goal', dim: 'goal', main: 'visitors', beside: 'conversion_rate',
    columns: ['visitors', 'events', 'conversion_rate', 'total_revenue', 'average_revenue'],
  },
  events: {
    name: 'events', key: 'name', dim: 'name', main: 'visitors', beside: 'events',
    columns: ['visitors', 'events', 'conversion_rate', 'total_revenue', 'average_revenue'],
  },
  properties: {
    name: 'properties', key: 'property', main: 'visitors', beside: 'events', searched: false,
    columns: ['visitors', 'events', 'conversion_rate'],
  },
} satisfies Record<string, ListKind>;

export type ListName = keyof typeof LISTS;

/** A card's tabs, the first one being what it shows at first. A tab of several lists has a choice among them. */
export const CARDS = {
  pages: [['pages'], ['entry-pages'], ['exit-pages'], ['hostnames']],
  sources: [['sources'], ['channels'], ['referrers'], ['utm_campaign', 'utm_source', 'utm_medium', 'utm_content', 'utm_term']],
  places: [['map'], ['countries'], ['regions'], ['cities']],
  devices: [['browsers'], ['os'], ['devices']],
  goals: [['goals'], ['events'], ['properties']],
} as const satisfies Record<string, readonly (readonly (ListName | 'map')[])[]>;

export type CardName = keyof typeof CARDS;
export type TabName = ListName | 'map';

/** The tab that a card shows in a route. */
export function chosenTab(card: CardName, route: Route | undefined): TabName {
  const own = CARDS[card] as readonly (readonly TabName[])[];
  const all = own.flat();
  return all.find((name) => route?.tabs.includes(name)) ?? own[0]?.[0] ?? 'pages';
}

/** The route's tabs with another one of this card. */
export function withTab(card: CardName, chosen: TabName, tabs: readonly string[]): string[] {
  const own = (CARDS[card] as readonly (readonly TabName[])[]).flat();
  const others = tabs.filter((name) => !own.includes(name as TabName));
  return chosen === own[0] ? others : [...others, chosen];
}

/**
 * The list behind a tab: with one browser or system chosen, its versions; with a property chosen (a tab
 * "properties" and a filter on it), its values.
 */
export function listOf(name: ListName, filters: readonly Filter[]): ListKind {
  const only = (dim: string) => filters.some((filter) => filter.dim === dim && filter.op === 'is');
  if (name === 'browsers' && only('browser')) return LISTS['browser-versions'];
  if (name === 'os' && only('os')) return LISTS['os-versions'];
  return LISTS[name];
}

/** The filter that a click on a row sets; undefined where a row is nothing to filter by. */
export function filterOf(list: ListKind, row: Row): Filter | undefined {
  const value = row[list.key];
  if (!list.dim || typeof value !== 'string') return undefined;
  return { op: 'is', dim: list.dim, values: [value] };
}
