/** The filters that hold, as chips, and the way to more. One line of a fixed height: what it needs comes later. */

import type { Site } from '../api/types';
import { t } from '../i18n';
import type { Route } from '../state/route';
import { Icon } from '../ui/icons';
import { lazy, popover } from '../ui/lazy';
import { Popover } from '../ui/Popover';

const Chips = lazy(async () => (await import('../filters')).Chips, () => <ul class="chips" />);
const FilterMenu = lazy(async () => (await import('../filters')).FilterMenu, popover);

export function FilterBar({ site, route }: { site: Site | undefined; route: Route }) {
  return (
    <div class="filters">
      <Popover
        title={t.filterBar.add}
        class="add"
        button={
          <>
            <Icon name="filter" />
            <span>{t.filterBar.button}</span>
          </>
        }
      >
        {(close) => site && <FilterMenu site={site} route={route} close={close} />}
      </Popover>
      {route.filters.length > 0 && <Chips route={route} site={site?.domain} />}
    </div>
  );
}
