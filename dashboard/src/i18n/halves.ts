/**
 * The areas of the catalogue that are on the page before anything lazy is; the first load carries only these. Code of
 * the first load reads them from `i18n`, lazy panels read everything from `i18n/whole`; the types keep them apart.
 */
export const FIRST = [
  'direction',
  'loading',
  'metric',
  'period',
  'interval',
  'site',
  'menu',
  'range',
  'theme',
  'trend',
  'filterBar',
  'attention',
  'error',
] as const;
/** Only on the pages of accounts and of the sign-in: `accounts/words` has them. */
export const ACCOUNTS = ['accounts'] as const;
/** The areas of pages that are seldom opened: the settings, the server, the first run. `i18n/pages` has them. */
export const PAGES = ['snippet', 'add', 'settings', 'operator', 'unknownSite'] as const;
