/** The chunk of the ranked lists. */
export { PagesPanel } from './PagesPanel';
export { SourcesPanel } from './SourcesPanel';
