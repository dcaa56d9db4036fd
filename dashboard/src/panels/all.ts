/**
 * The chunk of the panels that every page shows below the trend. One chunk, not one for each: over HTTP/1.1 a handful
 * of tiny files would stand in line before the numbers.
 */
export { PagesPanel } from './lists/PagesPanel';
export { SourcesPanel } from './lists/SourcesPanel';
export { DropsPanel } from './live/DropsPanel';
export { RealtimePanel } from './live/RealtimePanel';
