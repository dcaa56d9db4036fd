/** What a row is, shortened where it is long so that its end stays in sight. */

import type { Row } from '../api/types';
import { fill, t } from '../i18n/whole';
import { Icon } from '../ui/more-icons';
import type { ListKind } from './catalogue';
import { countryName, valueName } from './names';

/** So many characters at the end of a long path stay in sight: that is where paths differ. */
const TAIL = 16;

export function RowName({ list, row }: { list: ListKind; row: Row }) {
  const value = String(row[list.key] ?? '');
  if (list.key === 'page') return <Cut text={value} />;
  return (
    <>
      <span class="name" title={value}>
        {valueName(list.dim ?? list.key, value)}
      </span>
      <More list={list} row={row} />
    </>
  );
}

function More({ list, row }: { list: ListKind; row: Row }) {
  let text = '';
  if (list.key === 'source' && row.channel && row.source) text = valueName('channel', row.channel);
  else if (list.key === 'city' || list.key === 'region') text = countryName(row.country ?? '');
  else if (list.key === 'version') text = row.browser ?? row.os ?? '';
  return text ? <span class="more">{text}</span> : null;
}

function Cut({ text }: { text: string }) {
  const cut = text.length > 3 * TAIL ? text.length - TAIL : text.length;
  return (
    <span class="path" title={text}>
      <span class="head">{text.slice(0, cut)}</span>
      {cut < text.length && <span class="tail">{text.slice(cut)}</span>}
    </span>
  );
}

/** The way to the page itself, beside its name. */
export function OpenPage({ site, page }: { site: string; page: string }) {
  if (!page.startsWith('/')) return null;
  return (
    <a
      class="out"
      href={`https://${site}${page}`}
      target="_blank"
      rel="noopener noreferrer"
      aria-label={fill(t.pages.open, { page })}
    >
      <Icon name="out" />
    </a>
  );
}
