/** The chart chunk: uPlot, and the table that tells the same. */
export { Course } from './Course';
export { TrendTable } from './TrendTable';
