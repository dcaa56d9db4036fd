/** A line without axes. What it says is beside it in numbers, so it is not read out. */

const WIDTH = 240;
const HEIGHT = 48;
const EDGE = 2;

/** The points of the line, in a box of WIDTH by HEIGHT; the largest value touches its top. */
export function pathOf(values: readonly number[]): string {
  const most = Math.max(1, ...values);
  const step = values.length > 1 ? WIDTH / (values.length - 1) : 0;
  return values
    .map((value, at) => {
      const y = HEIGHT - EDGE - (value / most) * (HEIGHT - 2 * EDGE);
      return `${at ? 'L' : 'M'}${round(at * step)} ${round(y)}`;
    })
    .join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function Sparkline({ values }: { values: readonly number[] }) {
  const line = pathOf(values.length === 1 ? [...values, ...values] : values);
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {line && <path class="area" d={`${line}V${HEIGHT}H0Z`} />}
      <path class="line" d={line} />
    </svg>
  );
}
