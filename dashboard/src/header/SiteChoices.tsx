/** What the site switcher offers. */

import { useState } from 'preact/hooks';
import type { Site } from '../api/types';
import { t } from '../i18n/whole';
import type { Route } from '../state/route';
import { Link } from '../state/router';
import { Icon } from '../ui/icons';
import type { Close } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';

/** From so many sites on there is a field to find one. */
const FIND_FROM = 9;

interface Props {
  sites: Site[];
  site: Site | undefined;
  route: Route;
  close: Close;
}

export function SiteChoices({ sites, site, route, close }: Props) {
  const [find, setFind] = useState('');
  // The settings of one site lead to those of another; the operator's page to its numbers.
  const view = route.view === 'settings' ? route.view : undefined;
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
        {sites.length > 1 && !find && (
          <li>
            <Link to={{ site: undefined, view: undefined }} aria-current={site ? undefined : 'true'}>
              <span class="name">{t.site.all}</span>
              {!site && <Icon name="check" />}
            </Link>
          </li>
        )}
        {found.map(({ domain }) => (
          <li key={domain}>
            <Link to={{ site: domain, view }} aria-current={domain === site?.domain ? 'true' : undefined}>
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
