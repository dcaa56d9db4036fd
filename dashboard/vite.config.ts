import { defineConfig } from 'vitest/config';
import { catalogueHalves } from './catalogue.ts';
import { smallPreload } from './small-preload.ts';
import { worldMap } from './world.ts';

export default defineConfig({
  base: '/',
  publicDir: false,
  plugins: [catalogueHalves(), worldMap(), smallPreload()],
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
            { name: 'app', tags: ['$initial'], priority: 1 },
            { name: 'shared', test: /src/, minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080', '/tracker.js': 'http://127.0.0.1:8080' } },
  test: { include: ['src/**/*.test.{ts,tsx}'] },
});
