/** The icons of the first screen, drawn in the text's colour. They say nothing to a screen reader: their button does. */

export const PATHS = {
  down: 'M4 6.5 8 10.5 12 6.5',
  earlier: 'M10 3.5 5.5 8 10 12.5',
  later: 'M6 3.5 10.5 8 6 12.5',
  refresh: 'M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3',
  calendar: 'M2.5 4.5h11v9h-11zM2.5 7.5h11M5.5 2.5v3M10.5 2.5v3',
  warning: 'M8 2.5 14 13H2zM8 6.5v3M8 11.3v.2',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7',
  filter: 'M2 4h12M4.5 8h7M7 12h2',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return <Drawn name={name} path={PATHS[name]} />;
}

export function Drawn({ name, path }: { name: string; path: string }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M6.5 21.5c4.2 0 4.6-9.5 9-9.5 3.6 0 3.4 6 7 6" />
      <circle cx="24.3" cy="11" r="2.7" />
    </svg>
  );
}
