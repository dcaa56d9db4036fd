/** The half of a language file that the first load carries; see catalogue.ts beside vite.config.ts. */
declare module '*?first' {
  const half: import('./index').FirstHalf;
  export default half;
}
