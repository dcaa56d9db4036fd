/** The chunk of the first run, which most people never load. */
export { FirstEvent } from './FirstEvent';
export { FirstSite } from './FirstSite';
