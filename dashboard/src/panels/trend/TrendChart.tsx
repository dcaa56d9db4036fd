/** The trend as a line. In a chunk of its own with uPlot; its table twin is in the first load. */

import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { later } from '../../ui/later';
import type { Series } from '../course/series';

interface Props {
  series: Series;
  /** The values of the range compared with. */
  before: (number | null)[] | undefined;
  /** Notes by the number of their point. */
  marks: Map<number, string>;
  labelBefore: (index: number) => string;
  /** Values of the horizontal lines, from 0 to the top. */
  scale: number[];
  /** Which points get a label below them, when no more than so many do. */
  labelled: (most: number) => number[];
  label: (index: number, length: 'short' | 'long') => string;
  format: (value: number | null) => string;
  /** What a screen reader says in place of the picture. */
  summary: string;
  partial: string;
  /** Drawn anew when the colours change. */
  theme: string;
}

/** Pixels that one label below the chart takes. */
const LABEL_PX = 74;

export function TrendChart(props: Props) {
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    let plot: uPlot | undefined;
    const observer = new ResizeObserver(([entry]) => entry && fit(plot, sizeOf(entry.contentRect)));
    let giveUp = later(() => {
      plot = draw(element, props, (fill) => {
        giveUp = later(() => {
          fill();
          observer.observe(element);
        });
      });
    });
    return () => {
      giveUp();
      observer.disconnect();
      plot?.destroy();
    };
  }, [props.series, props.marks, props.theme]);
  return <div class="chart" ref={frame} role="img" aria-label={props.summary} />;
}

/** Sets the plot up; its lines come with `fill`, in a task of their own: both in one would be long for a slow phone. */
function draw(frame: HTMLDivElement, props: Props, next: (fill: () => void) => void): uPlot {
  const { series, scale, labelled, label, format } = props;
  const { values, complete } = series;
  const last = values.length - 1;
  const accent = colour(frame, '--accent');
  const muted = colour(frame, '--ink-soft');
  const line = colour(frame, '--line');
  const quiet = colour(frame, '--bar-strong');
  const font = `12px ${getComputedStyle(frame).fontFamily}`;
  const tip = tooltip(props);

  const shared: uPlot.Series = {
    stroke: accent,
    width: 2,
    fill: (plot) => fade(plot, accent),
    points: { show: false },
  };
  const solid = values.map((value, index) => (index < complete ? value : null));
  const dashed = values.map((value, index) => (index >= complete - 1 && complete <= last ? value : null));
  const axis: uPlot.Axis = { stroke: muted, font, ticks: { show: false }, grid: { stroke: line, width: 1 } };

  const plot = new uPlot(
    {
      ...sizeOf(frame.getBoundingClientRect()),
      padding: [12, 26, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { setScale: false, x: false, y: false },
        points: { size: 9, fill: accent },
        // The line stands at the point that the tooltip tells of, not between two.
        move: (plot, left, top) => [left < 0 ? left : plot.valToPos(plot.posToIdx(left), 'x'), top],
      },
      scales: {
        // The points are laid out by their number: the clock change's hour is as wide as any other.
        x: { time: false, range: () => (last > 0 ? [0, last] : [-0.5, 0.5]) },
        y: { range: () => [0, scale.at(-1) ?? 1] },
      },
      axes: [
        {
          ...axis,
          size: 30,
          gap: 8,
          grid: { show: false },
          splits: (plot) => labelled(Math.floor(plot.width / LABEL_PX)),
          values: (_, indexes) => indexes.map((index) => label(index, 'short')),
        },
        {
          ...axis,
          gap: 8,
          size: (_, texts) => Math.max(24, ...(texts ?? []).map((text) => text.length * 7.2)) + 12,
          splits: () => scale,
          values: (_, marks) => marks.map(format),
        },
      ],
      series: [
        {},
        { ...shared, points: lonely(solid, accent) },
        { ...shared, dash: [5, 5], points: lonely(dashed, accent) },
        { stroke: quiet, width: 1.5, points: { show: false } },
      ],
      hooks: { setCursor: [(plot) => tip.follow(plot)], draw: [(plot) => mark(plot, [...props.marks.keys()], muted)] },
    },
    [values.map((_, index) => index), solid, dashed, props.before ?? values.map(() => null)] as uPlot.AlignedData,
    (plot, fill) => {
      frame.append(plot.root);
      next(() => fill());
    },
  );
  plot.over.append(tip.element);
  return plot;
}

/** A small ring on the ground line at each point that has a note. */
function mark(plot: uPlot, indexes: number[], stroke: string): void {
  const { ctx, bbox } = plot;
  const size = 4 * devicePixelRatio;
  ctx.save();
  ctx.fillStyle = stroke;
  for (const index of indexes) {
    ctx.beginPath();
    ctx.arc(plot.valToPos(index, 'x', true), bbox.top + bbox.height - size, size, 0, 2 * Math.PI);
    ctx.fill();
  }
  ctx.restore();
}

/** A line through one point is nothing: show the point. */
function lonely(values: (number | null)[], accent: string): uPlot.Series.Points {
  return { show: values.filter((value) => value !== null).length === 1, size: 8, fill: accent };
}

function tooltip({ series, before, marks, label, labelBefore, format, partial }: Props) {
  const element = document.createElement('div');
  const value = document.createElement('strong');
  const time = document.createElement('span');
  const other = document.createElement('span');
  const note = document.createElement('em');
  element.className = 'tip';
  element.append(value, time, other, note);
  return {
    element,
    follow(plot: uPlot): void {
      const index = plot.cursor.idx;
      element.hidden = index == null || series.values[index] == null || (plot.cursor.left ?? -1) < 0;
      if (index == null || element.hidden) return;
      value.textContent = format(series.values[index] ?? null);
      time.textContent = label(index, 'long') + (index >= series.complete ? ` · ${partial}` : '');
      const old = before?.[index];
      other.textContent = old == null ? '' : `${format(old)} · ${labelBefore(index)}`;
      note.textContent = marks.get(index) ?? '';
      const x = plot.valToPos(index, 'x');
      const half = element.offsetWidth / 2;
      const left = Math.min(Math.max(x - half, 0), plot.over.clientWidth - 2 * half);
      const y = plot.valToPos(series.values[index] ?? 0, 'y') - element.offsetHeight - 14;
      element.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(y, 0))}px)`;
    },
  };
}

/** The observer tells of the first size as well: drawing it twice would take a slow phone twice as long. */
function fit(plot: uPlot | undefined, size: { width: number; height: number }): void {
  if (plot && (plot.width !== size.width || plot.height !== size.height)) plot.setSize(size);
}

function sizeOf({ width, height }: { width: number; height: number }) {
  return { width: Math.floor(width), height: Math.floor(height) };
}

/** The colour a token has here and now, as the canvas wants it. */
function colour(element: HTMLElement, token: string): string {
  element.style.color = `var(${token})`;
  const value = getComputedStyle(element).color;
  element.style.color = '';
  return value;
}

function fade(plot: uPlot, colour: string): CanvasGradient {
  const { top, height } = plot.bbox;
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  const [red, green, blue] = colour.match(/[\d.]+/g) ?? [];
  gradient.addColorStop(0, `rgba(${red}, ${green}, ${blue}, 0.2)`);
  gradient.addColorStop(1, `rgba(${red}, ${green}, ${blue}, 0)`);
  return gradient;
}
