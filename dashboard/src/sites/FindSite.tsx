/** The field to find a site, where there are more of them than one sees at a glance. */

import { t } from '../i18n/whole';
import { Find } from '../ui/Find';

const FIND_FROM = 9;

interface Props {
  /** How many sites there are. */
  count: number;
  value: string;
  set: (value: string) => void;
}

export function FindSite({ count, value, set }: Props) {
  return count < FIND_FROM ? null : <Find label={t.sites.find} value={value} set={set} />;
}
