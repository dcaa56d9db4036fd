/** What the site switcher offers. */

import { useState } from 'preact/hooks';
import type { Site } from '../api/types';
import { t } from '../i18n/whole';
import { Link } from '../state/router';
import { Icon } from '../ui/icons';
import type { Close } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';

/** From so many sites on there is a field to find one. */
const FIND_FROM = 9;

interface Props {
  sites: Site[];
  site: Site | undefined;
  close: Close;
}

export function SiteChoices({ sites, site, close }: Props) {
  const [find, setFind] = useState('');
  const found = sites.filter(({ domain }) => domain.includes(find.trim().toLowerCase()));
  return (
    <PopoverPanel title={t.site.switch} close={close}>
      {sites.length >= FIND_FROM && (
        <input
          type="search"
          value={find}
          placeholder={t.sites.find}
          aria-label={t.sites.find}
          onInput={(event) => setFind(event.currentTarget.value)}
        />
      )}
      <ul class="choices">
        {found.map(({ domain }) => (
          <li key={domain}>
            <Link to={{ site: domain }} aria-current={domain === site?.domain ? 'true' : undefined}>
              <span class="name">{domain}</span>
              {domain === site?.domain && <Icon name="check" />}
            </Link>
          </li>
        ))}
      </ul>
      {!found.length && <p class="note">{t.sites.none}</p>}
    </PopoverPanel>
  );
}
