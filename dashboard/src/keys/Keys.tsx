/** Single keys as shortcuts, while mounted; one of them opens the list of all. */

import { useEffect, useState } from 'preact/hooks';
import { Help } from './Help';
import { press } from './press';

export function Keys() {
  const [help, setHelp] = useState(false);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const busy = event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || event.repeat;
      // Where one types, and in what is open over the page, keys have their usual meaning.
      if (busy || (event.target as Element).closest('input, select, textarea, .popover, dialog, [role=region]')) return;
      press(event.key, () => setHelp(true));
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
  return help ? <Help close={() => setHelp(false)} /> : null;
}
