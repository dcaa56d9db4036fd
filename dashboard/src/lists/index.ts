/** The chunk of the cards of lists. */
import './lists.css';
export { Cards } from './Cards';
