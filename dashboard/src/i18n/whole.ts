/** The whole catalogue, for panels behind `lazy()`: it has the rest of the sentences fetched before they are drawn. */

import { t as first } from './index';
import type { Catalogue } from './en';

export { fill, plural } from './index';
export const t = first as Catalogue;
