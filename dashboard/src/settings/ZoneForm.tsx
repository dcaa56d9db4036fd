/** The time zone that days are cut by, and the currency that new goals are worth. */

import { useState } from 'preact/hooks';
import { changeSite } from '../api/admin';
import type { SiteSettings } from '../api/admin-types';
import { Form, TextField } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { t } from '../i18n/pages';

export function ZoneForm({ found }: { found: SiteSettings }) {
  const [timezone, setTimezone] = useState(found.timezone);
  const [currency, setCurrency] = useState(found.currency);
  const { busy, error, send } = useSend();
  return (
    <Form
      onSubmit={() => void send(() => changeSite(found.domain, { timezone, currency }))}
      busy={busy}
      action={t.settings.save}
      error={error}
    >
      <TextField
        label={t.settings.timezone}
        value={timezone}
        set={setTimezone}
        options={Intl.supportedValuesOf('timeZone')}
        required
      />
      <TextField
        label={t.settings.currency}
        value={currency}
        set={setCurrency}
        options={Intl.supportedValuesOf('currency')}
        placeholder="EUR"
      />
    </Form>
  );
}
