/** The whole catalogue, for the pages beside a site's numbers. */

import type { Catalogue } from './en';
import pages from './en?pages';
import { t as chosen } from './index';
import { t as whole } from './whole';

export { fill, plural } from './index';
export const t = { ...whole, ...pages, ...chosen } as Catalogue;
