/** Into how many shades the countries are put. */
export const SHADES = 6;

/**
 * 0 without visitors, else 1 to SHADES - 1 by the logarithm: a site has most of its visitors in few countries, and a
 * linear scale would leave all the others alike.
 */
export function shadeOf(visitors: number, most: number): number {
  if (visitors <= 0 || most <= 0) return 0;
  if (most === 1) return SHADES - 1;
  return 1 + Math.round((Math.log(Math.min(visitors, most)) / Math.log(most)) * (SHADES - 2));
}
