/** Made by world.ts beside vite.config.ts. */
declare module 'virtual:world' {
  const world: import('../../world').World;
  export default world;
}
