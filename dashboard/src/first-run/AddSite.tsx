/** A hostname and a time zone: all that a new site needs. */

import { useState } from 'preact/hooks';
import { addSite } from '../api/admin';
import { Form, TextField } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { t } from '../i18n/pages';
import { browserTimezone } from '../operator/hosts';
import { navigate } from '../state/router';

export function AddSite() {
  const [domain, setDomain] = useState('');
  const [timezone, setTimezone] = useState(browserTimezone);
  const { busy, error, send } = useSend();

  async function submit(): Promise<void> {
    let added = '';
    const done = await send(async () => {
      added = (await addSite(domain, timezone)).domain;
    });
    if (done) navigate({ site: added, view: undefined });
  }

  return (
    <Form onSubmit={() => void submit()} busy={busy} action={t.add.do} error={error}>
      <TextField
        label={t.add.domain}
        note={t.add.domainNote}
        value={domain}
        set={setDomain}
        placeholder="example.com"
        inputMode="url"
        required
      />
      <TextField
        label={t.settings.timezone}
        note={t.add.timezoneNote}
        value={timezone}
        set={setTimezone}
        options={Intl.supportedValuesOf('timeZone')}
        required
      />
    </Form>
  );
}
