import { useState } from 'preact/hooks';
import { pages, type Scope } from '../../api/client';
import { fill, t } from '../../i18n/whole';
import { useQuery } from '../../state/queries';
import { Icon } from '../../ui/icons';
import { ROWS } from '../rows';
import { RankedList } from './RankedList';

interface Props {
  scope: Scope | undefined;
  visitors: number | undefined;
}

export function PagesPanel({ scope, visitors }: Props) {
  const [offset, setOffset] = useState(0);
  const query = useQuery(scope ? pages(scope, ROWS, offset) : null);
  return (
    <RankedList
      title={t.pages.title}
      head={t.pages.page}
      none={t.pages.none}
      query={query}
      visitors={visitors}
      offset={offset}
      turn={setOffset}
      keyOf={(row) => row.page}
    >
      {({ page }) => <PagePath page={page} site={scope?.site ?? ''} />}
    </RankedList>
  );
}

/** So many characters at the end of a long path stay in sight: that is where paths differ. */
const TAIL = 16;

function PagePath({ page, site }: { page: string; site: string }) {
  const cut = page.length > 3 * TAIL ? page.length - TAIL : page.length;
  return (
    <span class="path" title={page}>
      <span class="head">{page.slice(0, cut)}</span>
      {cut < page.length && <span class="tail">{page.slice(cut)}</span>}
      {page.startsWith('/') && (
        <a
          class="out"
          href={`https://${site}${page}`}
          target="_blank"
          rel="noopener noreferrer"
          aria-label={fill(t.pages.open, { page })}
        >
          <Icon name="out" />
        </a>
      )}
    </span>
  );
}
