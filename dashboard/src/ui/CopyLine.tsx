/** A line of code to take along. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/whole';
import { Icon } from './more-icons';

const SHOWN_MS = 2_000;

export function CopyLine({ text, label }: { text: string; label: string }) {
  const code = useRef<HTMLElement>(null);
  const [state, setState] = useState<'do' | 'done' | 'failed'>('do');

  useEffect(() => {
    if (state === 'do') return;
    const timer = setTimeout(() => setState('do'), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [state]);

  return (
    <div class="copy-line" role="group" aria-label={label}>
      <code ref={code} tabIndex={0}>
        {text}
      </code>
      <button type="button" class="control" onClick={async () => setState(await copy(text, code.current))}>
        <Icon name={state === 'done' ? 'check' : 'copy'} />
        <span aria-live="polite">{t.copy[state]}</span>
      </button>
    </div>
  );
}

/** Over plain HTTP a page has no clipboard: then the text is selected and the old way is tried. */
async function copy(text: string, element: HTMLElement | null): Promise<'done' | 'failed'> {
  try {
    await navigator.clipboard.writeText(text);
    return 'done';
  } catch {
    if (element) getSelection()?.selectAllChildren(element);
    return document.execCommand('copy') ? 'done' : 'failed';
  }
}
