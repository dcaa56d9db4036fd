// @vitest-environment happy-dom

import { render } from 'preact';
import { expect, test } from 'vitest';
import type { Note, TrendAnswer } from '../../api/types';
import type { Metric } from '../../state/route';
import { KNOWN } from '../../testing';
import { seriesOf } from './series';
import { TrendTable } from './TrendTable';

const ANSWER: TrendAnswer = {
  ...KNOWN,
  interval: 'day',
  points: [
    { time: '2026-11-22', visitors: 0, visits: 0, pageviews: 0, bounce_rate: null },
    { time: '2026-11-23', visitors: 21, visits: 30, pageviews: 90, bounce_rate: 40 },
    { time: '2026-11-24', visitors: 20, visits: 22, pageviews: 44, bounce_rate: 50 },
  ],
};

function cells(metric: Metric, notes: Note[] = []): string[][] {
  const root = document.createElement('div');
  render(<TrendTable answer={ANSWER} metric={metric} notes={notes} />, root);
  return [...root.querySelectorAll('tr')].map((row) =>
    [...row.querySelectorAll('th, td')].map((cell) => cell.textContent ?? ''),
  );
}

test('the table tells what the chart draws', () => {
  expect(cells('visitors')).toEqual([
    ['Time', 'Visitors', 'Visits', 'Page views'],
    ['Sun, Nov 22, 2026', '0', '0', '0'],
    ['Mon, Nov 23, 2026', '21', '30', '90'],
    ['Tue, Nov 24, 2026 so far', '20', '22', '44'],
  ]);
  expect(cells('visitors').slice(1).map((row) => Number(row[1]))).toEqual(seriesOf(ANSWER, 'visitors')?.values);
});

test('a note is told at its day', () => {
  const notes = [
    { id: 1, day: '2026-11-23', text: 'a launch' },
    { id: 2, day: '2026-11-25', text: 'after these days' },
  ];
  expect(cells('visitors', notes).map((row) => row[0])).toEqual([
    'Time',
    'Sun, Nov 22, 2026',
    'Mon, Nov 23, 2026 a launch',
    'Tue, Nov 24, 2026 so far',
  ]);
});

test('a chosen rate has a column, with a dash where it is unknown', () => {
  expect(cells('bounce_rate').map((row) => row[4])).toEqual(['Bounce rate', '–', '40%', '50%']);
});

test('a metric that the server gives for the whole range only has no column', () => {
  expect(cells('visit_duration')[0]).toEqual(['Time', 'Visitors', 'Visits', 'Page views']);
});
