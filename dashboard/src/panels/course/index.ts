/** The chunk of the trend: how fresh it is, its tools, its table, and what surrounds the chart, which is a chunk too. */
import './chart.css';
export { Freshness } from './Freshness';
export { Trend } from './Trend';
