/** The halves of a language file; see catalogue.ts beside vite.config.ts. */
declare module '*?first' {
  const half: import('./index').FirstHalf;
  export default half;
}
declare module '*?rest' {
  const half: Omit<import('./en').Catalogue, keyof import('./index').FirstHalf>;
  export default half;
}
