import { defineConfig } from 'vitest/config';
import { catalogueParts } from './catalogue.ts';
import { smallPreload } from './small-preload.ts';
import { worldMap } from './world.ts';

/** Of the settings, the overview, the server's page and the first run. */
const BESIDE = /\/src\/(forms|first-run|settings|sites|operator|api\/admin|i18n\/(pages|en\.ts\?pages))/;

export default defineConfig({
  base: '/',
  publicDir: false,
  plugins: [catalogueParts(), worldMap(), smallPreload()],
  build: {
    target: 'es2022',
    // The first browsers with light-dark(); without this the minifier would rewrite every colour.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // data: URLs are counted into the initial bytes for everybody; a hashed file is cached for ever.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What the first screen needs is one file, and so is what lazy panels share: fewer requests, better packed.
          groups: [
            { name: 'app', tags: ['$initial'], priority: 3 },
            // The site's page comes first: what only the pages beside it share is not in its way.
            { name: 'shared', test: (id) => id.includes('/src/') && !BESIDE.test(id), minShareCount: 2, priority: 2 },
            { name: 'pages', test: BESIDE, minShareCount: 2, priority: 1 },
          ],
        },
      },
    },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080', '/tracker.js': 'http://127.0.0.1:8080' } },
  test: { include: ['src/**/*.test.{ts,tsx}'], testTimeout: 60_000 },
});
