/** The chunk of the first run and of wrong addresses, which most people never load. */
export { Emptiness } from './Emptiness';
export { FirstEvent } from './FirstEvent';
export { FirstSite } from './FirstSite';
export { NoSuchSite } from './NoSuchSite';
