/** One half of a language file; see catalogue.ts beside vite.config.ts. */
declare module '*?first' {
  const half: Partial<import('./en').Catalogue>;
  export default half;
}
