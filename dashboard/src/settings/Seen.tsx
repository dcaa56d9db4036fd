/** Whether everybody may see the numbers; people, links and tokens have a page of their own. */

import { setPublic } from '../api/admin';
import type { SiteSettings } from '../api/admin-types';
import { Refusal } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { t } from '../i18n/pages';

export function Seen({ found }: { found: SiteSettings }) {
  const { busy, error, send } = useSend();
  return (
    <>
      <label class="check">
        <input
          type="checkbox"
          checked={found.public}
          disabled={busy}
          onChange={(event) => void send(() => setPublic(found.domain, event.currentTarget.checked))}
        />
        <span>{t.settings.public}</span>
      </label>
      <Refusal error={error} />
      <p class="note">
        <a class="link" href={`/account?${new URLSearchParams({ site: found.domain })}`}>
          {t.settings.access}
        </a>
      </p>
    </>
  );
}
