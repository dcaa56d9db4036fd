/** A read that failed, in words, with a way to try again. */

import type { ApiError } from '../api/client';
import { t } from '../i18n';
import { Icon } from './icons';

/** The server's own words, with the field that they are about; "" when it had none. */
export function said({ field, message }: ApiError): string {
  return field && message ? `${field}: ${message}` : message;
}

export function Failure({ error, retry }: { error: ApiError; retry: () => void }) {
  return (
    <div class="failure" role="alert">
      <Icon name="warning" />
      <strong>{t.error.title}</strong>
      <p>{t.error.kind[error.kind]}</p>
      {error.message && <p class="said">{said(error)}</p>}
      <button type="button" class="control" onClick={retry}>
        {t.error.retry}
      </button>
    </div>
  );
}
