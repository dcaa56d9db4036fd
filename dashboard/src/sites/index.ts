/** The chunk of the page that shows every site. */
export { SitesPage } from './SitesPage';
