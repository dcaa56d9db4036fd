/** What the range picker offers: named periods, or days of one's own. */

import { useState } from 'preact/hooks';
import { t } from '../i18n/whole';
import { PERIOD_KEYS } from '../keys/periods';
import { addDays, type Days, daysOf, PERIODS, type Period, type Range } from '../state/dates';
import { named } from '../state/steps';
import { type Comparison, COMPARISONS } from '../state/route';
import { Link, navigate } from '../state/router';
import type { Close } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';

/** The first day that the server's database knows. */
const FIRST_DAY = '1970-01-02';

interface Props {
  range: Range;
  compare: Comparison;
  today: string;
  close: Close;
}

export function RangeChoices({ range, compare, today, close }: Props) {
  return (
    <PopoverPanel title={t.range.choose} close={close} onKey={(event) => chooseByKey(event, close)}>
      <ul class="choices">
        {PERIODS.map((period) => (
          <li key={period}>
            <Link to={{ range: { period } }} aria-current={isPeriod(range, period) ? 'true' : undefined}>
              <span>{t.period[period]}</span>
              <kbd>{PERIOD_KEYS[period]}</kbd>
            </Link>
          </li>
        ))}
      </ul>
      <OwnDays
        title={t.days.custom}
        start={daysOf(range, today)}
        latest={today}
        choose={(days) => {
          navigate({ range: named(days, today) });
          close();
        }}
      />
      <Compare range={range} compare={compare} today={today} close={close} />
    </PopoverPanel>
  );
}

function chooseByKey(event: KeyboardEvent, close: Close): void {
  if (event.target instanceof HTMLInputElement || event.metaKey || event.ctrlKey || event.altKey) return;
  const period = PERIODS.find((candidate) => PERIOD_KEYS[candidate] === event.key.toUpperCase());
  if (!period) return;
  navigate({ range: { period } });
  close();
}

function isPeriod(range: Range, period: Period): boolean {
  return 'period' in range && range.period === period;
}

/** What to compare with. */
function Compare({ range, compare, today, close }: Props) {
  const own = typeof compare === 'object';
  const [open, setOpen] = useState(own);
  const { from } = daysOf(range, today);
  return (
    <section class="compare">
      <h3>{t.compare.title}</h3>
      <ul class="choices">
        {COMPARISONS.map((name) => (
          <li key={name}>
            <Link to={{ compare: name }} aria-current={compare === name ? 'true' : undefined}>
              {t.compare[name]}
            </Link>
          </li>
        ))}
        <li>
          <button type="button" aria-expanded={open} aria-current={own ? 'true' : undefined} onClick={() => setOpen(!open)}>
            {t.compare.custom}
          </button>
        </li>
      </ul>
      {open && (
        <OwnDays
          title={t.compare.custom}
          start={own ? compare : { from: addDays(from, -7), to: addDays(from, -1) }}
          latest={today}
          choose={(days) => {
            navigate({ compare: days });
            close();
          }}
        />
      )}
    </section>
  );
}

interface OwnDaysProps {
  title: string;
  start: Days;
  latest: string;
  choose: (days: Days) => void;
}

function OwnDays({ title, start, latest, choose }: OwnDaysProps) {
  const [days, setDays] = useState(start);
  const wrong = days.from > days.to;
  return (
    <form
      class="own-days"
      onSubmit={(event) => {
        event.preventDefault();
        if (wrong || !days.from || !days.to) return;
        choose(days);
      }}
    >
      <h3>{title}</h3>
      {(['from', 'to'] as const).map((end) => (
        <label key={end}>
          <span>{t.days[end]}</span>
          <input
            type="date"
            required
            min={FIRST_DAY}
            max={latest}
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
