/** What world.ts uses of packages that bring no types along. */
declare module 'topojson-client' {
  export function feature(
    topology: Topology,
    object: unknown,
  ): { features: { id?: string; properties: { name: string }; geometry: { type: string; coordinates: unknown } }[] };
}
declare module 'topojson-simplify' {
  export function presimplify(topology: Topology): Topology;
  export function quantile(topology: Topology, share: number): number;
  export function simplify(topology: Topology, weight: number): Topology;
}
interface Topology {
  objects: { countries: unknown };
}
