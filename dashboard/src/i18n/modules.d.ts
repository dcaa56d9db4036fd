/** The parts of a language file; see catalogue.ts beside vite.config.ts. */
declare module '*?first' {
  const half: import('./index').FirstHalf;
  export default half;
}
declare module '*?rest' {
  const half: import('./index').Rest;
  export default half;
}
declare module '*?whole' {
  const catalogue: import('./en').Catalogue;
  export default catalogue;
}
declare module '*?accounts' {
  const part: import('./index').Accounts;
  export default part;
}
declare module '*?pages' {
  const part: import('./index').Pages;
  export default part;
}
