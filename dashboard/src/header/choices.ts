/** The chunk of what the header's buttons open. */
export { RangeChoices } from './RangeChoices';
export { SiteChoices } from './SiteChoices';
