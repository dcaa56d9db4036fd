/** The chunk of what filters. */
import './filters.css';
export { Chips } from './Chips';
export { FilterMenu } from './FilterMenu';
