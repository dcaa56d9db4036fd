// The budgets of the build, in bytes after `gzip -9`, and what its CSP forbids. Prints a table; exits 1 when over.

import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { builtFiles, DIST } from './built-files.mjs';

const KB = 1000;
const BUDGETS = {
  'initial JavaScript': 16 * KB,
  'initial CSS': 5 * KB,
  'chart chunk': 25 * KB,
  'lazy panel': 10 * KB,
  'lazy CSS': 3 * KB,
};

const index = join(DIST, 'index.html');
if (!existsSync(index)) {
  console.error('dist/index.html is missing: run `npm run build` first');
  process.exit(1);
}
const html = readFileSync(index, 'utf8');
// What the page itself names is loaded at once: scripts, their static imports (modulepreload) and style sheets.
const initial = new Set([...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => join(DIST, match[1])));

const files = builtFiles().filter((file) => /\.(js|css)$/.test(file));
const rows = [
  row('initial JavaScript', files.filter((file) => initial.has(file) && file.endsWith('.js'))),
  row('initial CSS', files.filter((file) => initial.has(file) && file.endsWith('.css'))),
  ...files.filter((file) => !initial.has(file)).map((file) => row(kindOf(file), [file])),
];

function kindOf(file) {
  if (file.endsWith('.css')) return 'lazy CSS';
  return basename(file).startsWith('trend') ? 'chart chunk' : 'lazy panel';
}

function row(kind, group) {
  const bytes = group.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0);
  return { kind, bytes, budget: BUDGETS[kind], files: group.map((file) => basename(file)).join(' ') };
}

for (const { kind, bytes, budget, files } of rows) {
  const verdict = bytes > budget ? 'OVER' : 'ok';
  console.log(
    `${kind.padEnd(19)}${String(bytes).padStart(7)} of ${String(budget).padStart(6)} bytes  ${verdict.padEnd(5)} ${files}`,
  );
}

const complaints = [
  ...rows.filter(({ bytes, budget }) => bytes > budget).map(({ kind, files }) => `${kind} is over its budget: ${files}`),
  ...rows.filter(({ files }) => !files).map(({ kind }) => `no file for ${kind}: index.html is not what was expected`),
  ...(rows.some(({ kind }) => kind === 'chart chunk') ? [] : ['there is no chart chunk']),
  ...(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/i.test(html) ? ['index.html has inline script or style'] : []),
  ...[index, ...files.filter((file) => file.endsWith('.css'))]
    .filter((file) => /https?:|(?:src|href)="\/\//.test(readFileSync(file, 'utf8')))
    .map((file) => `${basename(file)} names an address outside of the server`),
];
for (const complaint of complaints) console.error(complaint);
process.exit(complaints.length ? 1 : 0);
