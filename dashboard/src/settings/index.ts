/** The chunk of a site's settings. */
export { SettingsPage } from './SettingsPage';
