/** Rows of a ranked list that are shown, and asked for, at a time. */
export const ROWS = 10;
