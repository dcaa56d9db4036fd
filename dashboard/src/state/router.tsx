/** Ties the Route to the address bar: reading it, changing it, and links that do so without a page load. */

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { formatRoute, parseRoute, type Route } from './route';

let current = parseRoute(location.search, location.pathname);
const listeners = new Set<() => void>();

function follow(): void {
  current = parseRoute(location.search, location.pathname);
  for (const listener of listeners) listener();
}

addEventListener('popstate', follow);

/** The route now, for what happens outside of a component. */
export const route = (): Route => current;

export function useRoute(): Route {
  const [route, setRoute] = useState(current);
  useEffect(() => {
    const listener = () => setRoute(current);
    listener();
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return route;
}

export type Change = Partial<Route>;

export function href(change: Change): string {
  return formatRoute({ ...current, ...change });
}

export function navigate(change: Change, how: 'push' | 'replace' = 'push'): void {
  const address = href(change);
  if (how === 'push' && address !== location.pathname + location.search) history.pushState(null, '', address);
  else history.replaceState(null, '', address);
  follow();
}

interface LinkProps {
  to: Change;
  class?: string;
  title?: string;
  'aria-label'?: string | undefined;
  'aria-current'?: 'true' | undefined;
  children: ComponentChildren;
}

/** A real link: a middle click or a copied address works, a plain click stays on the page. */
export function Link({ to, children, ...rest }: LinkProps) {
  return (
    <a
      {...rest}
      href={href(to)}
      onClick={(event) => {
        if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}
