/** A step to the days just before or after. */

import { t } from '../i18n';
import type { Range } from '../state/dates';
import { Link } from '../state/router';
import { stepRange } from '../state/steps';
import { Icon } from '../ui/icons';
import { StepFrame } from './RangePicker';

export interface StepProps {
  range: Range;
  today: string;
  direction: -1 | 1;
}

export function Step({ range, today, direction }: StepProps) {
  const to = stepRange(range, today, direction);
  if (!to) return <StepFrame direction={direction} />;
  return (
    <Link
      class="control plain step"
      to={{ range: to }}
      aria-label={direction < 0 ? t.range.earlier : t.range.later}
    >
      <Icon name={direction < 0 ? 'earlier' : 'later'} />
    </Link>
  );
}
