/**
 * Looks, when the days shown are empty, whether the site has ever had a visit: without one it is the first run's page,
 * else it tells when the last ones were.
 */

import { useEffect } from 'preact/hooks';
import type { Site } from '../api/types';
import { useHistory } from '../state/history';
import type { Days } from '../state/dates';
import { FirstEvent } from './FirstEvent';

/** What is known of an empty range: the last month that is not; `never`: there is none. */
export interface Emptied {
  site: string;
  latest?: Days | undefined;
  never: boolean;
}

interface Props {
  site: Site;
  today: string;
  tell: (found: Emptied) => void;
}

export function Emptiness({ site, today, tell }: Props) {
  const { loading, latest, never } = useHistory(site.domain, today);
  useEffect(() => {
    if (!loading) tell({ site: site.domain, latest, never });
  }, [site.domain, loading, latest, never]);
  return never ? <FirstEvent site={site} /> : null;
}
