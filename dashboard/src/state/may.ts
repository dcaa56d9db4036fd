/** What a person may do with a site. The server decides; the page only leaves out what would be refused. */

import type { Site } from '../api/types';

/** Notes, segments, goals, settings: for who looks after the site, not for who only looks at it. */
export const mayWrite = (site: Site): boolean => site.role !== 'viewer';
