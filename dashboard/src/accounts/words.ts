/** The sentences of this chunk, in the language of the page: the area `accounts` of its catalogue. */

import english from '../i18n/en?accounts';
import { type Accounts, t } from '../i18n';

// Another language is in `t` as a whole, and wins.
export const w = ({ ...english, ...t } as Accounts).accounts;
