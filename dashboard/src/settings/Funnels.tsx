/** Saved funnels: two to eight steps, one after the other. */

import { useState } from 'preact/hooks';
import { addFunnel, remove } from '../api/admin';
import type { SavedFunnel, SiteSettings } from '../api/admin-types';
import { ChoiceField, Form, lines, LinesField, Refusal, TextField } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { t } from '../i18n/pages';

const HOUR_S = 3_600;
const WINDOWS = [HOUR_S, 24 * HOUR_S] as const;

export function Funnels({ found }: { found: SiteSettings }) {
  const { busy, error, send } = useSend();
  return (
    <>
      <ul class="rows">
        {found.funnels.map((funnel) => (
          <li key={funnel.id}>
            <span>
              {funnel.name} <small>{funnel.steps.map(nameOf).join(' → ')}</small>
            </span>
            <button
              type="button"
              class="link"
              disabled={busy}
              onClick={() => void send(() => remove('funnels', found.domain, funnel.id))}
            >
              {t.settings.remove}
              <span class="unseen"> {funnel.name}</span>
            </button>
          </li>
        ))}
      </ul>
      <Refusal error={error} />
      <AddFunnel key={found.funnels.length} domain={found.domain} />
    </>
  );
}

/** A line that begins like a path is a page, any other an event's name. */
export function stepsOf(text: string): SavedFunnel['steps'] {
  return lines(text).map((line) => (/^[/*]/.test(line) ? { page: line } : { event: line }));
}

function nameOf({ page, event }: SavedFunnel['steps'][number]): string {
  return page ?? event ?? '';
}

function AddFunnel({ domain }: { domain: string }) {
  const [name, setName] = useState('');
  const [steps, setSteps] = useState('');
  const [within, setWithin] = useState(String(WINDOWS[1]));
  const { busy, error, send } = useSend();
  return (
    <Form
      onSubmit={() => void send(() => addFunnel(domain, { name, steps: stepsOf(steps), window: Number(within) }))}
      busy={busy}
      action={t.settings.add}
      error={error}
    >
      <TextField label={t.settings.funnelName} value={name} set={setName} required />
      <LinesField
        label={t.settings.steps}
        note={t.settings.stepsNote}
        value={steps}
        set={setSteps}
        placeholder={'/pricing\n/signup\nSignup'}
      />
      <ChoiceField
        label={t.settings.within}
        value={within}
        set={setWithin}
        options={WINDOWS.map((seconds) => [String(seconds), seconds === HOUR_S ? t.settings.hour : t.settings.day])}
      />
    </Form>
  );
}
