// Prints what each language still lacks, with the English sentence: `npm run missing`.

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const folder = fileURLToPath(new URL('../src/i18n/', import.meta.url));
const load = async (name) => (await runnerImport(folder + name)).module;
const { missingIn, sentences } = await load('compare.ts');
const english = (await load('en.ts')).default;
const all = new Map(sentences(english));

for (const name of readdirSync(folder).filter((file) => /^\w\w\.ts$/.test(file) && file !== 'en.ts')) {
  const missing = missingIn(english, (await load(name)).default);
  console.log(`${name}: ${missing.length} missing`);
  for (const key of missing) console.log(`  ${key}: ${JSON.stringify(all.get(key))}`);
}
