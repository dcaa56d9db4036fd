/** How long the site's days are kept: single events, and what is counted of them. For its owner. */

import { useState } from 'preact/hooks';
import { keep } from '../api/admin';
import type { SiteSettings } from '../api/admin-types';
import { days } from '../format';
import { ChoiceField, Form } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { fill, t } from '../i18n/pages';
import { termText } from './terms';

const TERMS = ['', '30d', '90d', '6m', '13m', '25m', '60m'] as const;

export function Retention({ found }: { found: SiteSettings }) {
  const [events, setEvents] = useState(found.keep_events);
  const [counts, setCounts] = useState(found.keep_counts);
  const { busy, error, send } = useSend();
  const gone = found.counts_from ?? found.events_from;
  return (
    <Form
      onSubmit={() => void send(() => keep(found.domain, { keep_events: events, keep_counts: counts }))}
      busy={busy}
      action={t.settings.save}
      error={error}
    >
      <ChoiceField label={t.settings.keepEvents} value={events} set={setEvents} options={choices(found.keep_events)} />
      <ChoiceField label={t.settings.keepCounts} value={counts} set={setCounts} options={choices(found.keep_counts)} />
      {gone && <p class="note">{fill(t.settings.goneBefore, { day: days({ from: gone, to: gone }) })}</p>}
    </Form>
  );
}

/** The usual terms, and the one that is set if it is none of them. */
function choices(now: string): [string, string][] {
  return [...new Set([...TERMS, now])].map((term) => [term, termText(term)]);
}
