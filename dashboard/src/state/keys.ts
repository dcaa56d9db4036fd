/** Single keys as shortcuts. What they do is fetched when the first one is pressed. */

import { useEffect, useState } from 'preact/hooks';

/** Whether the list of keys is open, and how to change that. Listens while mounted. */
export function useKeys(): [boolean, (open: boolean) => void] {
  const [help, setHelp] = useState(false);
  useEffect(() => {
    const pressed = async (event: KeyboardEvent) => {
      const busy = event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || event.repeat;
      // Where one types, and in what is open over the page, keys have their usual meaning.
      if (busy || (event.target as Element).closest('input, select, textarea, .popover, dialog, [role=region]')) return;
      const { press } = await import('../keys');
      press(event.key, () => setHelp(true));
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
  return [help, setHelp];
}
