/** Light or dark: the system's choice, unless the person made another one here, or the address of an embedded page does. */

import { useEffect, useState } from 'preact/hooks';

export type Theme = 'light' | 'dark';

const KEY = 'theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

const asked = new URLSearchParams(location.search).get('theme');
let chosen = asked ? oneOf(asked) : remembered();
apply();

function current(): Theme {
  return chosen ?? systemTheme();
}

function systemTheme(): Theme {
  return system.matches ? 'dark' : 'light';
}

export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(current);
  useEffect(() => {
    const listener = () => setTheme(current());
    listeners.add(listener);
    system.addEventListener('change', listener);
    return () => {
      listeners.delete(listener);
      system.removeEventListener('change', listener);
    };
  }, []);
  return [theme, toggle];
}

function toggle(): void {
  const next = current() === 'dark' ? 'light' : 'dark';
  // Choosing what the system says is going back to following it.
  chosen = next === systemTheme() ? undefined : next;
  remember();
  apply();
  for (const listener of listeners) listener();
}

function apply(): void {
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
}

function remembered(): Theme | undefined {
  try {
    return oneOf(localStorage.getItem(KEY));
  } catch {
    return undefined; // storage is blocked: the choice lasts as long as the page
  }
}

function oneOf(value: string | null): Theme | undefined {
  return value === 'light' || value === 'dark' ? value : undefined;
}

function remember(): void {
  try {
    if (chosen) localStorage.setItem(KEY, chosen);
    else localStorage.removeItem(KEY);
  } catch {
    // as above
  }
}
