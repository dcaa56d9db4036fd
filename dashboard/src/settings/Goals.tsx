/** What a visitor should do: custom events, pages, scroll depths. A goal is never edited, so that its count stays true. */

import { useState } from 'preact/hooks';
import { addGoal, remove } from '../api/admin';
import type { Goal, SiteSettings } from '../api/admin-types';
import { ChoiceField, Form, Refusal, TextField } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { money } from './money';
import { t } from '../i18n/pages';

export function Goals({ found }: { found: SiteSettings }) {
  const { busy, error, send } = useSend();
  return (
    <>
      <ul class="rows">
        {found.goals.map((goal) => (
          <li key={goal.id}>
            <bdi>{goal.name}</bdi>
            {goal.value && goal.currency && <small>{money(goal.value, goal.currency)}</small>}
            <button
              type="button"
              class="link"
              disabled={busy}
              onClick={() => void send(() => remove('goals', found.domain, goal.id))}
            >
              {t.settings.remove}
              <span class="unseen"> {goal.name}</span>
            </button>
          </li>
        ))}
      </ul>
      <Refusal error={error} />
      <AddGoal key={found.goals.length} found={found} />
    </>
  );
}

function AddGoal({ found }: { found: SiteSettings }) {
  const [kind, setKind] = useState<Goal['kind']>('event');
  const [target, setTarget] = useState('');
  const [depth, setDepth] = useState('75');
  const [value, setValue] = useState('');
  const [currency, setCurrency] = useState(found.currency);
  const { busy, error, send } = useSend();

  function add(): void {
    const worth = value.trim() ? { value, currency } : {};
    const scrolled = kind === 'scroll' ? { scroll_depth: Number.parseInt(depth, 10) || 0 } : {};
    void send(() => addGoal(found.domain, { kind, target, ...scrolled, ...worth }));
  }

  return (
    <Form onSubmit={add} busy={busy} action={t.settings.add} error={error}>
      <ChoiceField
        label={t.settings.kind}
        value={kind}
        set={(name) => setKind(name as Goal['kind'])}
        options={(['event', 'page', 'scroll'] as const).map((name) => [name, t.settings.kinds[name]])}
      />
      <TextField
        label={kind === 'event' ? t.settings.eventName : t.settings.path}
        value={target}
        set={setTarget}
        placeholder={kind === 'event' ? 'Signup' : '/blog/**'}
        required
      />
      {kind === 'scroll' && (
        <TextField label={t.settings.depth} value={depth} set={setDepth} inputMode="numeric" required />
      )}
      <TextField label={t.settings.value} value={value} set={setValue} placeholder="9.90" inputMode="decimal" />
      {value.trim() && (
        <TextField
          label={t.settings.currency}
          value={currency}
          set={setCurrency}
          options={Intl.supportedValuesOf('currency')}
          required
        />
      )}
    </Form>
  );
}
