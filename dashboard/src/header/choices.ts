/** The chunk of what the header's buttons open. */
export { RangeChoices } from './RangeChoices';
export { Menu } from './Menu';
export { SiteChoices } from './SiteChoices';
