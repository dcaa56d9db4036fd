/** The hostnames that count for the site; one of them is its name. */

import { useState } from 'preact/hooks';
import { addAlias, changeSite, removeAlias } from '../api/admin';
import type { SiteSettings } from '../api/admin-types';
import { Form, Refusal, TextField } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { fill, t } from '../i18n/pages';
import { navigate } from '../state/router';

export function Hosts({ found }: { found: SiteSettings }) {
  const { domain, aliases } = found;
  const { busy, error, send } = useSend();

  async function rename(host: string): Promise<void> {
    const done = await send(() => changeSite(domain, { domain: host }));
    if (done) navigate({ site: host }, 'replace');
  }

  return (
    <>
      <ul class="rows">
        <li>
          <bdi>
            <strong>{domain}</strong>
          </bdi>
          <small>{t.settings.name}</small>
        </li>
        {aliases.map((host) => (
          <li key={host}>
            <bdi>{host}</bdi>
            <button type="button" class="link" disabled={busy} onClick={() => void rename(host)}>
              {t.settings.makeName}
              <span class="unseen"> {host}</span>
            </button>
            <button type="button" class="link" disabled={busy} onClick={() => void send(() => removeAlias(domain, host))}>
              {t.settings.remove}
              <span class="unseen"> {host}</span>
            </button>
          </li>
        ))}
      </ul>
      <Refusal error={error} />
      <AddHost domain={domain} />
    </>
  );
}

function AddHost({ domain }: { domain: string }) {
  const [host, setHost] = useState('');
  const { busy, error, send } = useSend();

  async function add(): Promise<void> {
    if (await send(() => addAlias(domain, host))) setHost('');
  }

  return (
    <Form onSubmit={() => void add()} busy={busy} action={t.settings.add} error={error}>
      <TextField
        label={t.settings.host}
        note={fill(t.settings.hostNote, { site: domain })}
        value={host}
        set={setHost}
        placeholder={`shop.${domain}`}
        required
      />
    </Form>
  );
}
