/** The chunk of what goes on right now. */
export { DropsPanel } from './DropsPanel';
export { RealtimePanel } from './RealtimePanel';
