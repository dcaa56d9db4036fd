/** The chart chunk: uPlot and what draws with it. */
export { TrendChart } from './TrendChart';
