/** Which days: a step back and forth, and a button that opens the choices. */

import { days as daysText } from '../format';
import { t } from '../i18n';
import { type Range, stepRange, todayIn } from '../state/dates';
import type { Route } from '../state/route';
import { Link } from '../state/router';
import { Icon } from '../ui/icons';
import { lazy, popover } from '../ui/lazy';
import { Popover } from '../ui/Popover';

const RangeChoices = lazy(async () => (await import('./choices')).RangeChoices, popover);

export function RangePicker({ route, timezone }: { route: Route; timezone: string | undefined }) {
  const today = todayIn(timezone, new Date());
  return (
    <div class="range">
      <Step range={stepRange(route.range, today, -1)} label={t.range.earlier} icon="earlier" />
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
      <Step range={stepRange(route.range, today, 1)} label={t.range.later} icon="later" />
    </div>
  );
}

function labelOf(range: Range): string {
  return 'period' in range ? t.period[range.period] : daysText(range);
}

function Step({ range, label, icon }: { range: Range | undefined; label: string; icon: 'earlier' | 'later' }) {
  if (!range) {
    return (
      <button type="button" class="control plain step" disabled aria-label={label}>
        <Icon name={icon} />
      </button>
    );
  }
  return (
    <Link class="control plain step" to={{ range }} aria-label={label}>
      <Icon name={icon} />
    </Link>
  );
}
