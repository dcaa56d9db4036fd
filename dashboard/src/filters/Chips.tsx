/** The filters that hold: each opens its editor, and has a button that takes it away. */

import { fill, t } from '../i18n/whole';
import { dimName, valueName } from '../lists/names';
import { segments as segmentsRead } from '../api/more';
import type { Filter } from '../state/filters';
import { useQuery } from '../state/queries';
import type { Route } from '../state/route';
import { Link, navigate } from '../state/router';
import { Icon } from '../ui/more-icons';
import { Popover } from '../ui/Popover';
import { PopoverPanel } from '../ui/PopoverPanel';
import { FilterEditor } from './FilterEditor';

export function Chips({ route, site }: { route: Route; site: string | undefined }) {
  const { filters } = route;
  const named = filters.some(({ dim }) => dim === 'segment');
  const saved = useQuery(site && named ? segmentsRead(site) : null).data?.segments;
  const segment = (number: string | undefined) => saved?.find(({ id }) => String(id) === number)?.name ?? `#${number}`;
  return (
    <ul class="chips" aria-label={t.filter.active}>
      {filters.map((filter, index) => {
        const others = filters.filter((_, other) => other !== index);
        const what = filter.dim === 'segment' ? segment(filter.values[0]) : textOf(filter);
        return (
          <li key={index} class="chip">
            {filter.dim === 'segment' || !site ? (
              <span class="control plain">
                <Icon name="bookmark" />
                <span class="name">{what}</span>
              </span>
            ) : (
              <Popover
                title={t.filter.edit}
                button={
                  <span class="name" title={what}>
                    <small>{dimName(filter.dim)}</small> {t.test[filter.op]} <b>{valuesOf(filter)}</b>
                  </span>
                }
              >
                {(close) => (
                  <PopoverPanel title={what} close={close}>
                    <FilterEditor
                      site={site}
                      route={{ ...route, filters: others }}
                      filter={filter}
                      done={(changed) => {
                        navigate({ filters: filters.map((old, other) => (other === index ? changed : old)) });
                        close();
                      }}
                    />
                  </PopoverPanel>
                )}
              </Popover>
            )}
            <Link class="control plain step" to={{ filters: others }} aria-label={fill(t.filter.remove, { filter: what })}>
              <Icon name="close" />
            </Link>
          </li>
        );
      })}
      {filters.length > 1 && (
        <li>
          <Link class="control plain" to={{ filters: [] }}>
            {t.filter.clear}
          </Link>
        </li>
      )}
    </ul>
  );
}

function valuesOf({ dim, op, values }: Filter): string {
  const names = values.map((value) => (op.startsWith('is') ? valueName(dim, value) : value));
  return names.slice(0, 3).join(` ${t.filter.or} `) + (names.length > 3 ? ` +${names.length - 3}` : '');
}

export function textOf(filter: Filter): string {
  return `${dimName(filter.dim)} ${t.test[filter.op]} ${valuesOf(filter)}`;
}
