/**
 * Cuts English into parts, so that the first load carries only the sentences of the first screen, while a language
 * stays one file: `en.ts?first`, `en.ts?rest` for lazy panels, `en.ts?pages` for pages that are seldom opened and
 * `en.ts?accounts` for those of accounts.
 * `de.ts?whole` is a language with the English sentences where it has none.
 */

import { dirname, join } from 'node:path';
import { runnerImport, type Plugin } from 'vite';
import { ACCOUNTS, FIRST, PAGES } from './src/i18n/halves.ts';

const PARTS: Record<string, string> = Object.fromEntries([
  ...FIRST.map((area) => [area, 'first']),
  ...PAGES.map((area) => [area, 'pages']),
  ...ACCOUNTS.map((area) => [area, 'accounts']),
]);

export function catalogueParts(): Plugin {
  return {
    name: 'catalogue-parts',
    async load(id) {
      const [, file, half] = /^(.*\/i18n\/\w\w\.ts)\?(first|rest|pages|accounts|whole)$/.exec(id) ?? [];
      if (!file) return undefined;
      this.addWatchFile(file);
      const { module } = await runnerImport<{ default: object }>(file);
      if (half === 'whole') {
        const english = join(dirname(file), 'en.ts');
        this.addWatchFile(english);
        const { module: base } = await runnerImport<{ default: object }>(english);
        return `export default ${JSON.stringify(completed(base.default, module.default))}`;
      }
      const areas = Object.entries(module.default).filter(([area]) => (PARTS[area] ?? 'rest') === half);
      return `export default ${JSON.stringify(Object.fromEntries(areas))}`;
    },
  };
}

/** `given`, and what of `base` it lacks. The forms of a plural belong together, and so do the entries of a list. */
export function completed(base: object, given: object): object {
  if ('other' in base || Array.isArray(base)) return given;
  const found = Object.entries(base).map(([key, value]) => {
    const own = (given as Record<string, unknown>)[key];
    return [key, own && typeof own === 'object' ? completed(value, own) : (own ?? value)];
  });
  return Object.fromEntries(found);
}
