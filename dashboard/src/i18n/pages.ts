/** The whole catalogue without the area of accounts, for the pages beside a site's numbers. */

import type { Catalogue } from './en';
import pages from './en?pages';
import { type Accounts, t as chosen } from './index';
import { t as whole } from './whole';

export { fill, plural } from './index';
export const t = { ...whole, ...pages, ...chosen } as Omit<Catalogue, keyof Accounts>;
