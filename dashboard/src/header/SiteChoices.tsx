/** What the site switcher offers. */

import { useState } from 'preact/hooks';
import type { Site } from '../api/types';
import { t } from '../i18n/whole';
import type { Route } from '../state/route';
import { FindSite } from '../sites/FindSite';
import { Link } from '../state/router';
import { found } from '../ui/Find';
import { Icon } from '../ui/more-icons';
import type { Close } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';

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
  const shown = sites.filter(({ domain }) => found(domain, find));
  return (
    <PopoverPanel title={t.site.switch} close={close}>
      <FindSite count={sites.length} value={find} set={setFind} />
      <ul class="choices">
        {sites.length > 1 && !find && (
          <li>
            <Link to={{ site: undefined, view: undefined }} aria-current={site ? undefined : 'true'}>
              <span class="name">{t.site.all}</span>
              {!site && <Icon name="check" />}
            </Link>
          </li>
        )}
        {shown.map(({ domain }) => (
          <li key={domain}>
            <Link to={{ site: domain, view }} aria-current={domain === site?.domain ? 'true' : undefined}>
              <span class="name">{domain}</span>
              {domain === site?.domain && <Icon name="check" />}
            </Link>
          </li>
        ))}
      </ul>
      {!shown.length && <p class="note">{t.sites.none}</p>}
    </PopoverPanel>
  );
}
