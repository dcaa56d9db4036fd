/** What is left out of the site's numbers from now on. */

import { useState } from 'preact/hooks';
import { changeSite } from '../api/admin';
import type { Exclusions, SiteSettings } from '../api/admin-types';
import { Form, lines, LinesField } from '../forms/fields';
import { useSend } from '../forms/useSend';
import { t } from '../i18n/pages';

const KINDS = ['networks', 'pages', 'countries', 'hostnames'] as const satisfies readonly (keyof Exclusions)[];
const EXAMPLES: Exclusions = {
  networks: ['192.0.2.0/24', '2001:db8::/48'],
  pages: ['/admin/**'],
  countries: ['DE'],
  hostnames: ['staging.example.com', '*.dev.example.com'],
};

export function ExclusionsForm({ found }: { found: SiteSettings }) {
  const [texts, setTexts] = useState(() => found.exclusions);
  const [typed, setTyped] = useState<Partial<Record<keyof Exclusions, string>>>({});
  const { busy, error, send } = useSend();

  function set(kind: keyof Exclusions, text: string): void {
    setTyped({ ...typed, [kind]: text });
    setTexts({ ...texts, [kind]: lines(text) });
  }

  return (
    <Form
      onSubmit={() => void send(() => changeSite(found.domain, { exclusions: texts }))}
      busy={busy}
      action={t.settings.save}
      error={error}
    >
      {KINDS.map((kind) => (
        <LinesField
          key={kind}
          label={t.settings.excluded[kind]}
          value={typed[kind] ?? texts[kind].join('\n')}
          set={(text) => set(kind, text)}
          placeholder={EXAMPLES[kind].join('\n')}
        />
      ))}
    </Form>
  );
}
