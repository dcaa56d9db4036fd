/** A read that failed, in words, with a way to try again. */

import type { ApiError } from '../api/client';
import { t } from '../i18n';
import { Icon } from './icons';

export function Failure({ error, retry }: { error: ApiError; retry: () => void }) {
  return (
    <div class="failure" role="alert">
      <Icon name="warning" />
      <strong>{t.error.title}</strong>
      <p>{t.error.kind[error.kind]}</p>
      {error.message && <p class="said">{error.message}</p>}
      <button type="button" class="control" onClick={retry}>
        {t.error.retry}
      </button>
    </div>
  );
}
