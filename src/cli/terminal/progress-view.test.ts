import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import type { Progress, StreamProgress } from '../../engine/report/events.js';
import { bar, plainLine, render } from './progress-view.js';

const stream = (more: Partial<StreamProgress>): StreamProgress => ({
  name: 'customers',
  status: 'reading',
  rows: 1234,
  pages: 13,
  expectedPages: 20,
  done: [],
  openRanges: 3,
  openSlices: 0,
  ...more,
});
const progress = (more: Partial<Progress> = {}): Progress => ({
  runId: 'r',
  elapsedMs: 61_000,
  rows: 1234,
  rowsPerSecond: 20,
  requests: 13,
  rejections: 1,
  rejectedFor: {},
  limits: [],
  requestsPerSecond: 47.6,
  limitPerSecond: 95.2,
  waits: [],
  leftMs: 130_000,
  bufferedBytes: 0,
  streams: [stream({})],
  ...more,
});

test('the bar fills where the span is done, out of order', () => {
  const drawn = stripVTControlCharacters(
    bar(
      stream({
        done: [
          { from: 0, to: 0.25 },
          { from: 0.75, to: 1 },
        ],
      }),
    ),
  );
  expect(drawn).toBe(`${'█'.repeat(7)}${'░'.repeat(14)}${'█'.repeat(7)}`);
  expect(stripVTControlCharacters(bar(stream({ status: 'complete' })))).toBe('█'.repeat(28));
});

test('a line tells rows, rate, share of the limit, rejections, time left and why it waits', () => {
  const text = plainLine(progress({ waits: [{ reason: 'Retry-After', ms: 8000 }] }));
  for (const part of [
    '1,234 rows',
    '20/s',
    '50% of the limit',
    '1 rejected',
    '2 min left',
    'waiting 8.0 s for Retry-After',
  ])
    expect(text).toContain(part);
});

test('many streams are summed up, those that are read come first, and errors are shown', () => {
  const streams = Array.from({ length: 30 }, (_, i) =>
    stream({
      name: `s${i}`,
      status: i === 29 ? 'failed' : i > 20 ? 'reading' : 'complete',
      ...(i === 29 ? { error: 'no permission' } : {}),
    }),
  );
  const lines = render(progress({ streams }), 200).map(stripVTControlCharacters);
  expect(lines[0]).toContain('s21');
  expect(lines.join('\n')).toMatch(/no permission/);
  expect(lines.join('\n')).toMatch(/and 18 more \(21 complete\)/);
});
