/** Saved filters; they are made on the site's page, where they filter. */

import { remove } from '../api/admin';
import type { SiteSettings } from '../api/admin-types';
import { Refusal } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { t } from '../i18n/pages';

export function Segments({ found }: { found: SiteSettings }) {
  const { busy, error, send } = useSend();
  if (!found.segments.length) return <p class="empty">{t.settings.noSegments}</p>;
  return (
    <>
      <ul class="rows">
        {found.segments.map(({ id, name }) => (
          <li key={id}>
            <bdi>{name}</bdi>
            <button
              type="button"
              class="link"
              disabled={busy}
              onClick={() => void send(() => remove('segments', found.domain, id))}
            >
              {t.settings.remove}
              <span class="unseen"> {name}</span>
            </button>
          </li>
        ))}
      </ul>
      <Refusal error={error} />
    </>
  );
}
