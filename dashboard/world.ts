/**
 * The world's countries as one SVG path each, made at build time from Natural Earth's 1:110m data (public domain; the
 * package world-atlas) and simplified until the map is a small chunk. `import world from 'virtual:world'`.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import codes from 'i18n-iso-countries';
import { feature } from 'topojson-client';
import { presimplify, quantile, simplify } from 'topojson-simplify';
import type { Plugin } from 'vite';

const SOURCE = fileURLToPath(new URL('./node_modules/world-atlas/countries-110m.json', import.meta.url));
const NAME = 'virtual:world';
/** The share of points that is left out. */
const LEFT_OUT = 0.5;
/** The map's width in its own units, and the latitudes that it shows: Antarctica has no visitors. */
export const WIDTH = 720;
const NORTH = 84;
const SOUTH = -57;
/** The meridian where the map begins, so that it cuts no country: between Alaska and Chukotka. */
const WEST = -169;
/** Rings smaller than this, in square units, are left out unless they are all that a country has. */
const AREA_MIN = 1.2;

type Point = [number, number];
type Ring = Point[];

export interface World {
  width: number;
  height: number;
  /** By the country's ISO 3166-1 code of two letters. */
  paths: Record<string, string>;
}

export function worldMap(): Plugin {
  return {
    name: 'world-map',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: (id) => (id === `\0${NAME}` ? `export default ${JSON.stringify(makeWorld())}` : undefined),
  };
}

export function makeWorld(): World {
  const weighed = presimplify(JSON.parse(readFileSync(SOURCE, 'utf8')));
  const topology = simplify(weighed, quantile(weighed, LEFT_OUT));
  const { features } = feature(topology, topology.objects.countries);
  const paths: Record<string, string> = {};
  for (const { id, properties, geometry } of features) {
    const code = codes.numericToAlpha2(id ?? '') ?? UNNUMBERED[properties.name];
    if (!code || code === 'AQ') continue;
    const rings = ringsOf(geometry).map(projected).filter((ring) => ring.length > 2);
    const largest = Math.max(...rings.map(area));
    const kept = rings.filter((ring) => area(ring) >= Math.min(AREA_MIN, largest));
    if (kept.length) paths[code] = (paths[code] ?? '') + kept.map(pathOf).join('');
  }
  return { width: WIDTH, height: Math.round(y(SOUTH)), paths };
}

/** Natural Earth shows what is in fact there; ISO 3166 has no number for it. */
const UNNUMBERED: Record<string, string> = { Kosovo: 'XK', 'N. Cyprus': 'CY', Somaliland: 'SO' };

function ringsOf(geometry: { type: string; coordinates: unknown }): Ring[] {
  if (geometry.type === 'Polygon') return geometry.coordinates as Ring[];
  return (geometry.coordinates as Ring[][]).flat();
}

/** The Miller projection's shape is what people know, and far north is not as swollen as with Mercator. */
function y(latitude: number): number {
  const miller = (degrees: number) => 1.25 * Math.asinh(Math.tan(0.8 * ((degrees * Math.PI) / 180)));
  return ((miller(NORTH) - miller(latitude)) * WIDTH) / (2 * Math.PI);
}

/** The data's rings jump from 180 to -180 degrees; here they go on, so that each is one piece. */
function unwrapped(ring: Ring): Ring {
  let turns = 0;
  const found = ring.map(([longitude, latitude], at): Point => {
    const step = longitude - (ring[at - 1]?.[0] ?? longitude);
    if (Math.abs(step) > 180) turns -= Math.sign(step);
    return [longitude + 360 * turns, latitude];
  });
  const middle = found.reduce((sum, [longitude]) => sum + longitude, 0) / found.length;
  const shift = middle < WEST ? 360 : middle > WEST + 360 ? -360 : 0;
  return found.map(([longitude, latitude]) => [longitude + shift, latitude]);
}

function projected(ring: Ring): Ring {
  const found: Ring = [];
  for (const [longitude, latitude] of unwrapped(ring)) {
    const point: Point = [
      Math.round(((longitude - WEST) / 360) * WIDTH),
      Math.round(y(Math.min(Math.max(latitude, SOUTH), NORTH))),
    ];
    const last = found.at(-1);
    if (!last || last[0] !== point[0] || last[1] !== point[1]) found.push(point);
  }
  return found;
}

function area(ring: Ring): number {
  let twice = 0;
  for (let at = 0; at < ring.length; at++) {
    const [ax, ay] = ring[at] as Point;
    const [bx, by] = ring[(at + 1) % ring.length] as Point;
    twice += ax * by - bx * ay;
  }
  return Math.abs(twice) / 2;
}

/** Relative steps between whole units: short, and alike in many places, which packs well. */
function pathOf(ring: Ring): string {
  let [x0, y0] = ring[0] as Point;
  let text = `M${x0} ${y0}l`;
  for (const [x1, y1] of ring.slice(1, -1)) {
    const dx = x1 - x0;
    const dy = y1 - y0;
    text += `${dx < 0 || text.endsWith('l') ? '' : ' '}${dx}${dy < 0 ? '' : ' '}${dy}`;
    [x0, y0] = [x1, y1];
  }
  return `${text}z`;
}
