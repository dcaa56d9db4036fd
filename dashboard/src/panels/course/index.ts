/** The chunk of the trend: its tools, its table and what surrounds the chart, which comes in a chunk of its own. */
import './chart.css';
export { Trend } from './Trend';
