/** Which days: a step back and forth, and a button that opens the choices. */

import { days as daysText } from '../format';
import { t } from '../i18n';
import { todayIn } from '../state/dates';
import type { Route } from '../state/route';
import { Icon } from '../ui/icons';
import { useAfter } from '../ui/later';
import { lazy, popover } from '../ui/lazy';
import { Popover } from '../ui/Popover';

const RangeChoices = lazy(async () => (await import('./choices')).RangeChoices, popover);

const load = async () => (await import('../keys')).Step;
const Earlier = lazy(load, () => <StepFrame direction={-1} />);
const Later = lazy(load, () => <StepFrame direction={1} />);

export function RangePicker({ route, timezone }: { route: Route; timezone: string | undefined }) {
  const today = todayIn(timezone, new Date());
  // Days are slow to write for the first time: their place is kept, and the page is drawn first.
  const written = useAfter(true);
  return (
    <div class="range">
      <Earlier range={route.range} today={today} direction={-1} />
      <Popover
        title={t.range.choose}
        button={
          <>
            <Icon name="calendar" />
            {'from' in route.range ? (
              <span class="name own">{written && daysText(route.range)}</span>
            ) : (
              <span class="name">{t.period[route.range.period]}</span>
            )}
            <Icon name="down" />
          </>
        }
      >
        {(close) => <RangeChoices range={route.range} compare={route.compare} today={today} close={close} />}
      </Popover>
      <Later range={route.range} today={today} direction={1} />
    </div>
  );
}

/** What a step is while it is not known where it leads, and when it leads nowhere. */
export function StepFrame({ direction }: { direction: -1 | 1 }) {
  return (
    <button type="button" class="control plain step" disabled aria-label={direction < 0 ? t.range.earlier : t.range.later}>
      <Icon name={direction < 0 ? 'earlier' : 'later'} />
    </button>
  );
}
