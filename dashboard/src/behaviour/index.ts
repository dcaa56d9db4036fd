/** The chunk of what people do: funnels, journeys, and the last hour. */
import './behaviour.css';
export { Behaviour } from './Behaviour';
export { RealtimePanel } from './RealtimePanel';
