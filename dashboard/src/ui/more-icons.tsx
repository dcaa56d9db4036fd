/** All icons, for what is lazy. */

import { Drawn, PATHS } from './icons';

const ALL = {
  ...PATHS,
  out: 'M6.5 3.5h-3v9h9v-3M9 3.5h3.5V7M12.3 3.7 7.5 8.5',
  close: 'M4 4 12 12M12 4 4 12',
  bookmark: 'M4.5 2.5h7v11L8 10.5 4.5 13.5z',
  note: 'M3 2.5h10v8H8.5L5.5 13.5v-3H3zM5.5 5.5h5M5.5 7.7h3',
  download: 'M8 2.5v7M5 7l3 3 3-3M3 12.5h10',
  check: 'M3.5 8.5 6.5 11.5 12.5 5',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
} as const;

export function Icon({ name }: { name: keyof typeof ALL }) {
  return <Drawn name={name} path={ALL[name]} />;
}
