/** The sentences of a site's page, for panels behind `lazy()`. */

import rest from './en?rest';
import { type FirstHalf, type Rest, t as chosen } from './index';

export { fill, plural } from './index';
// Another language is in `chosen` as a whole, and wins.
export const t = { ...rest, ...chosen } as FirstHalf & Rest;
