/** Erasing some days of the site, or the site itself: counted first, then done for good. For its owner. */

import { useEffect, useState } from 'preact/hooks';
import { erase, erasures, removeSite } from '../api/admin';
import type { Erasure, Extent, SiteSettings } from '../api/admin-types';
import { count, days } from '../format';
import { ChoiceField, Form, TextField } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { fill, t } from '../i18n/pages';
import { useQuery } from '../state/queries';
import { refreshAll } from '../state/refresh';
import { navigate } from '../state/router';
import { extentText } from './terms';

const LOOK_AGAIN_MS = 2_000;

export function EraseDays({ found }: { found: SiteSettings }) {
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const [extent, setExtent] = useState<Extent | undefined>(undefined);
  const { busy, error, send } = useSend();

  function type(set: (text: string) => void, text: string): void {
    set(text);
    setExtent(undefined); // what was counted was for other days
  }

  async function submit(): Promise<void> {
    if (!extent) {
      await send(async () => setExtent(await erase<Extent>(found.domain, from, to, true)));
    } else if (await send(() => erase(found.domain, from, to, false))) {
      setExtent(undefined);
    }
  }

  return (
    <>
      <Erasures domain={found.domain} />
      <Form
        onSubmit={() => void submit()}
        busy={busy}
        action={extent ? t.settings.eraseNow : t.settings.eraseCount}
        error={error}
      >
        <TextField label={t.settings.from} value={from} set={(text) => type(setFrom, text)} placeholder="2026-01-01" />
        <TextField label={t.settings.to} value={to} set={(text) => type(setTo, text)} placeholder="2026-01-31" />
        {extent && (
          <p class="note" role="status">
            {extentText(extent)}
          </p>
        )}
      </Form>
    </>
  );
}

/** Those that were asked for; looked at again while one is under way. */
function Erasures({ domain }: { domain: string }) {
  const { data } = useQuery(erasures(domain));
  const open = data?.erasures.some((one) => one.state !== 'done');
  useEffect(() => {
    if (!open) return;
    const timer = setTimeout(() => void refreshAll(), LOOK_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [open, data]);
  return (
    <ul class="rows">
      {data?.erasures.map((one) => (
        <li key={one.id}>
          <span>
            {spanText(one)} <small>{t.settings.erasing[one.state]}</small>
          </span>
          <small>{count(one.rows_erased)}</small>
        </li>
      ))}
    </ul>
  );
}

function spanText({ from, to }: Erasure): string {
  return from && to ? days({ from, to }) : `${from ?? '…'} – ${to ?? '…'}`;
}

export function RemoveSite({ domain }: { domain: string }) {
  const [typed, setTyped] = useState('');
  const [data, setData] = useState('erase');
  const { busy, error, send } = useSend();

  async function remove(): Promise<void> {
    if (typed.trim() !== domain) return;
    if (await send(() => removeSite(domain, data === 'erase'))) navigate({ site: undefined, view: undefined });
  }

  return (
    <Form onSubmit={() => void remove()} busy={busy} action={t.settings.removeSite} error={error}>
      <ChoiceField
        label={t.settings.itsData}
        value={data}
        set={setData}
        options={[
          ['erase', t.settings.dataGoes],
          ['keep', t.settings.dataStays],
        ]}
      />
      <TextField
        label={fill(t.settings.typeName, { site: domain })}
        value={typed}
        set={setTyped}
        placeholder={domain}
        required
      />
    </Form>
  );
}
