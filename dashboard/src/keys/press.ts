/** What a key does on the page of a site. */

import { type Period, todayIn } from '../state/dates';
import { refreshAll } from '../state/refresh';
import { COMPARISONS } from '../state/route';
import { navigate, route } from '../state/router';
import { stepRange } from '../state/steps';
import { keysAreOn } from './onoff';
import { PERIOD_KEYS } from './periods';

/** Every key beside those of the periods, for the page that shows them. */
export const KEYS = ['←', '→', 'X', 'F', 'C', 'R', 'V', '?'] as const;

/** True when the key did something. `help` opens the list of keys. */
export function press(key: string, help: () => void): boolean {
  if (key !== '?' && !keysAreOn()) return false;
  const now = route();
  const letter = key.toUpperCase();
  const period = (Object.keys(PERIOD_KEYS) as Period[]).find((name) => PERIOD_KEYS[name] === letter);
  if (period) return done(() => navigate({ range: { period } }));
  const today = todayIn(undefined, new Date());
  const step = (direction: -1 | 1) => {
    const range = stepRange(now.range, today, direction);
    if (range) navigate({ range });
  };
  switch (letter) {
    case 'ARROWLEFT':
      return done(() => step(-1));
    case 'ARROWRIGHT':
      return done(() => step(1));
    case 'X': {
      const at = typeof now.compare === 'object' ? -1 : COMPARISONS.indexOf(now.compare);
      return done(() => navigate({ compare: COMPARISONS[(at + 1) % COMPARISONS.length] ?? 'off' }));
    }
    case 'F':
      return done(() => document.querySelector<HTMLElement>('.add > button')?.click());
    case 'C':
      return done(() => navigate({ filters: [] }));
    case 'R':
      return done(() => void refreshAll(now.site));
    case 'V':
      return done(() => navigate({ trend: now.trend === 'chart' ? 'table' : 'chart' }));
    case '?':
      return done(help);
  }
  return false;
}

function done(work: () => void): true {
  work();
  return true;
}
