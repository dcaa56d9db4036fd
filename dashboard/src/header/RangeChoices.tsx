/** What the range picker offers: named periods, or days of one's own. */

import { useState } from 'preact/hooks';
import { t } from '../i18n/whole';
import { daysOf, named, PERIODS, type Period, type Range } from '../state/dates';
import { Link, navigate } from '../state/router';
import type { Close } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';

/** Keys that choose a period while the panel is open. */
const KEYS: Record<Period, string> = { day: 'D', '7d': 'W', '30d': 'T', month: 'M', '12mo': 'Y' };

interface Props {
  range: Range;
  today: string;
  close: Close;
}

export function RangeChoices({ range, today, close }: Props) {
  return (
    <PopoverPanel title={t.range.choose} close={close} onKey={(event) => chooseByKey(event, close)}>
      <ul class="choices">
        {PERIODS.map((period) => (
          <li key={period}>
            <Link to={{ range: { period } }} aria-current={isPeriod(range, period) ? 'true' : undefined}>
              <span>{t.period[period]}</span>
              <kbd>{KEYS[period]}</kbd>
            </Link>
          </li>
        ))}
      </ul>
      <OwnDays range={range} today={today} close={close} />
    </PopoverPanel>
  );
}

function chooseByKey(event: KeyboardEvent, close: Close): void {
  if (event.target instanceof HTMLInputElement || event.metaKey || event.ctrlKey || event.altKey) return;
  const period = PERIODS.find((candidate) => KEYS[candidate] === event.key.toUpperCase());
  if (!period) return;
  navigate({ range: { period } });
  close();
}

function isPeriod(range: Range, period: Period): boolean {
  return 'period' in range && range.period === period;
}

function OwnDays({ range, today, close }: Props) {
  const [days, setDays] = useState(() => daysOf(range, today));
  const wrong = days.from > days.to;
  return (
    <form
      class="own-days"
      onSubmit={(event) => {
        event.preventDefault();
        if (wrong || !days.from || !days.to) return;
        navigate({ range: named(days, today) });
        close();
      }}
    >
      <h3>{t.days.custom}</h3>
      {(['from', 'to'] as const).map((end) => (
        <label key={end}>
          <span>{t.days[end]}</span>
          <input
            type="date"
            required
            max={today}
            value={days[end]}
            onInput={(event) => setDays({ ...days, [end]: event.currentTarget.value })}
          />
        </label>
      ))}
      {wrong && (
        <p class="wrong" role="alert">
          {t.days.wrong}
        </p>
      )}
      <button type="submit" class="control main" disabled={wrong}>
        {t.days.apply}
      </button>
    </form>
  );
}
