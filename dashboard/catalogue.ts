/**
 * Cuts each language file in two, so that the first load carries only the sentences of the first screen, while a
 * language stays one file. `en.ts?first` and `en.ts?rest` are its halves, and lazy panels import the rest.
 */

import { runnerImport, type Plugin } from 'vite';
import { FIRST } from './src/i18n/halves.ts';

const first: readonly string[] = FIRST;

export function catalogueHalves(): Plugin {
  return {
    name: 'catalogue-halves',
    async load(id) {
      const [, file, half] = /^(.*\/i18n\/\w\w\.ts)\?(first|rest)$/.exec(id) ?? [];
      if (!file) return undefined;
      this.addWatchFile(file);
      const { module } = await runnerImport<{ default: object }>(file);
      const areas = Object.entries(module.default).filter(([area]) => first.includes(area) === (half === 'first'));
      return `export default ${JSON.stringify(Object.fromEntries(areas))}`;
    },
  };
}
