/** Single keys as shortcuts. What they do is fetched when the first one is pressed. */

import { useEffect, useState } from 'preact/hooks';

const KEY = 'keys';
let off = remembered();

export const keysAreOn = (): boolean => !off;

export function turnKeys(on: boolean): void {
  off = !on;
  try {
    if (on) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, 'off');
  } catch {
    // storage is blocked: the choice lasts as long as the page
  }
}

function remembered(): boolean {
  try {
    return localStorage.getItem(KEY) === 'off';
  } catch {
    return false;
  }
}

/** Whether the list of keys is open, and how to change that. Listens while mounted. */
export function useKeys(): [boolean, (open: boolean) => void] {
  const [help, setHelp] = useState(false);
  useEffect(() => {
    const pressed = async (event: KeyboardEvent) => {
      const target = event.target as Element;
      const busy = event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || event.repeat;
      // Where one types, and in what is open over the page, keys have their usual meaning.
      if (busy || (off && event.key !== '?') || target.closest('input, select, textarea, .popover, dialog, [role=region]')) return;
      const { press } = await import('../keys');
      press(event.key, () => setHelp(true));
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
  return [help, setHelp];
}
