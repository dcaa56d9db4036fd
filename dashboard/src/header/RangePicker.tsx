/** Which days: a step back and forth, and a button that opens the choices. */

import { days as daysText } from '../format';
import { t } from '../i18n';
import { type Range, todayIn } from '../state/dates';
import type { Route } from '../state/route';
import { Icon } from '../ui/icons';
import { lazy, popover } from '../ui/lazy';
import { Popover } from '../ui/Popover';

const RangeChoices = lazy(async () => (await import('./choices')).RangeChoices, popover);

const load = async () => (await import('../keys')).Step;
const Earlier = lazy(load, () => <StepFrame direction={-1} />);
const Later = lazy(load, () => <StepFrame direction={1} />);

export function RangePicker({ route, timezone }: { route: Route; timezone: string | undefined }) {
  const today = todayIn(timezone, new Date());
  return (
    <div class="range">
      <Earlier range={route.range} today={today} direction={-1} />
      <Popover
        title={t.range.choose}
        button={
          <>
            <Icon name="calendar" />
            <span class="name">{labelOf(route.range)}</span>
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

function labelOf(range: Range): string {
  return 'period' in range ? t.period[range.period] : daysText(range);
}

/** What a step is while it is not known where it leads, and when it leads nowhere. */
export function StepFrame({ direction }: { direction: -1 | 1 }) {
  return (
    <button type="button" class="control plain step" disabled aria-label={direction < 0 ? t.range.earlier : t.range.later}>
      <Icon name={direction < 0 ? 'earlier' : 'later'} />
    </button>
  );
}
