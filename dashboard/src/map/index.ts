/** The chunk of the map. */
import './map.css';
export { WorldMap } from './WorldMap';
