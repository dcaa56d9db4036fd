/** What the pages beside a site's numbers read, and the changes that they send. */

import { change as send } from './change';
import type { Read } from './client';
import type {
  AllSitesAnswer,
  Erasure,
  Goal,
  OperatorDrops,
  OperatorStatus,
  SavedFunnel,
  Segment,
  SiteSettings,
} from './admin-types';
import type { Site } from './types';

export const allSites = (range: Record<string, string>, interval: string): Read<AllSitesAnswer> => ({
  url: `/api/stats/sites?${new URLSearchParams({ ...range, interval })}`,
  needs: ['sites'],
});

export const settings = (site: string): Read<SiteSettings> => ({
  url: `/api/settings?${new URLSearchParams({ site })}`,
  needs: ['domain', 'goals', 'exclusions'],
});

export const status = (): Read<OperatorStatus> => ({ url: '/api/operator/status', needs: ['figures', 'versions'] });

export const operatorDrops = (): Read<OperatorDrops> => ({ url: '/api/operator/drops', needs: ['reasons', 'recent'] });

export const addSite = (domain: string, timezone: string) => send<Site>('sites', { domain, timezone });

export const changeSite = (site: string, change: Partial<Omit<SiteSettings, 'goals' | 'segments' | 'funnels' | 'public'>>) =>
  send<SiteSettings>('settings', { site, ...change });

export const keep = (site: string, terms: Partial<Pick<SiteSettings, 'keep_events' | 'keep_counts'>>) =>
  send('retention', { site, ...terms });

export const erasures = (site: string): Read<{ erasures: Erasure[] }> => ({
  url: `/api/erasures?${new URLSearchParams({ site })}`,
  needs: ['erasures'],
});

export const erase = <Answer>(site: string, from: string, to: string, dryRun: boolean) =>
  send<Answer>('erase', { site, from: from.trim(), to: to.trim(), dry_run: dryRun });

export const removeSite = (site: string, erased: boolean) => send('sites/remove', { site, erase: erased });

export const setPublic = (site: string, wanted: boolean) => send<unknown>('sites/public', { site, public: wanted });

export const addAlias = (site: string, host: string) => send<SiteSettings>('aliases', { site, host });

export const removeAlias = (site: string, host: string) => send<SiteSettings>('aliases/remove', { site, host });

export const addGoal = (site: string, goal: object) => send<Goal>('goals', { site, ...goal });

export const addFunnel = (site: string, funnel: object) => send<SavedFunnel>('funnels', { site, ...funnel });

/** Forgets one of the things that a site has several of. */
export const remove = (what: 'goals' | 'funnels' | 'segments', site: string, id: number) =>
  send<Goal | SavedFunnel | Segment>(`${what}/${id}/remove`, { site });
