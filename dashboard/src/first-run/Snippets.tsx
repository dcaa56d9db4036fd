/** The snippet, as each kind of site takes it. Arrow keys go from tab to tab. */

import { useId, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/pages';
import { CopyLine } from '../ui/CopyLine';
import { KINDS, type Kind, snippetFor } from './snippet';
import './first-run.css';

const STEPS: Partial<Record<string, number>> = { ArrowRight: 1, ArrowLeft: -1 };

export function Snippets({ domain }: { domain: string }) {
  const [kind, setKind] = useState<Kind>('html');
  const tabs = useRef<HTMLDivElement>(null);
  const id = useId();

  function walk(event: KeyboardEvent): void {
    const by = (STEPS[event.key] ?? 0) * (document.documentElement.dir === 'rtl' ? -1 : 1);
    if (!by) return;
    event.preventDefault();
    const at = (KINDS.indexOf(kind) + by + KINDS.length) % KINDS.length;
    setKind(KINDS[at] ?? 'html');
    tabs.current?.querySelectorAll<HTMLElement>('button')[at]?.focus();
  }

  return (
    <div class="snippets">
      <div class="tabs" role="tablist" aria-label={t.first.snippet} ref={tabs} onKeyDown={walk}>
        {KINDS.map((each) => (
          <button
            type="button"
            role="tab"
            key={each}
            id={`${id}${each}`}
            aria-selected={each === kind}
            aria-controls={`${id}p`}
            tabIndex={each === kind ? 0 : -1}
            onClick={() => setKind(each)}
          >
            {t.snippet.kind[each]}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}p`} aria-labelledby={id + kind}>
        <p class="note">{t.snippet.how[kind]}</p>
        <CopyLine text={snippetFor(kind, location.origin, domain)} label={t.first.snippet} />
      </div>
    </div>
  );
}
