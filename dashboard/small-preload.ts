/**
 * Vite's helper for lazy chunks, written small: it fetches the style sheets and the scripts that a chunk needs beside
 * itself, each once, and waits for the style sheets. Vite's own one does the same in five times the bytes, on the
 * first load of everybody.
 */

import type { Plugin } from 'vite';

const HELPER = `
const asked = {};
export const __vitePreload = (load, needs = []) => Promise.all(needs.map((need) => asked[need] ??= new Promise((done, failed) => {
  if (document.querySelector(\`link[href="/\${need}"]\`)) return done();
  const link = document.createElement('link');
  const style = need.endsWith('.css');
  link.rel = style ? 'stylesheet' : 'modulepreload';
  link.href = '/' + need;
  link.onload = done;
  link.onerror = failed;
  document.head.append(link);
  style || done();
}))).then(load);
`;

export function smallPreload(): Plugin {
  return {
    name: 'small-preload',
    apply: 'build',
    enforce: 'post',
    transform: (_code, id) => (id.includes('vite/preload-helper') ? HELPER : undefined),
  };
}
