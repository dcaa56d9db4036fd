/** The whole catalogue, for panels behind `lazy()`. */

import type { Catalogue } from './en';
import rest from './en?rest';
import { t as chosen } from './index';

export { fill, plural } from './index';
// Another language is in `chosen` as a whole, and wins.
export const t = { ...rest, ...chosen } as Catalogue;
