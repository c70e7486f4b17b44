import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import type { Progress, StreamProgress } from '../../engine/report/events.js';
import fc from 'fast-check';
import { widthOf } from './fit.js';
import { bar, plainLine, render, startLine } from './progress-view.js';

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
      28,
    ),
  );
  expect(drawn).toBe(`${'█'.repeat(7)}${'░'.repeat(14)}${'█'.repeat(7)}`);
  expect(stripVTControlCharacters(bar(stream({ status: 'complete' }), 28))).toBe('█'.repeat(28));
});

test('a line tells rows, rate, share of the limit, rejections, time left and why it waits', () => {
  const text = plainLine(progress({ waits: [{ reason: 'Retry-After', ms: 8000 }] }));
  for (const part of [
    '1,234 rows',
    '20 rows/s',
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
  const lines = render(progress({ streams }), { columns: 200, rows: 50 }).map(stripVTControlCharacters);
  expect(lines[0]).toContain('s21');
  expect(lines.join('\n')).toMatch(/no permission/);
  expect(lines.join('\n')).toMatch(/and 18 more \(21 complete\)/);
});

const WIDE = '顧客データ',
  COMBINED = 'e\u0301tudes';
const anyStream = fc.record({
  name: fc.oneof(
    fc.constantFrom('customers', 'a', WIDE, COMBINED, 'x'.repeat(90), '👩‍👩‍👧 family', 'tab\there', '\u001b[31mred'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
  ),
  status: fc.constantFrom('reading', 'complete', 'failed', 'skipped', 'paused', 'waiting') as fc.Arbitrary<
    StreamProgress['status']
  >,
  rows: fc.nat(2_000_000_000),
  openRanges: fc.nat(120),
  openSlices: fc.nat(40_000),
  done: fc.array(fc.record({ from: fc.double({ min: 0, max: 1, noNaN: true }), to: fc.constant(1) }), { maxLength: 3 }),
  limit: fc.option(
    fc.record({
      name: fc.constantFrom('endpoint', 'global', 'requests per minute of the whole organisation'),
      perSecond: fc.option(fc.double({ min: 0.001, max: 1000, noNaN: true }), { nil: undefined }),
      usedPerSecond: fc.double({ min: 0, max: 1000, noNaN: true }),
    }),
    { nil: undefined },
  ),
  error: fc.option(fc.string({ unit: 'grapheme', maxLength: 200 }), { nil: undefined }),
});
const anyProgress = fc.record({
  streams: fc.array(anyStream, { minLength: 1, maxLength: 30 }),
  rows: fc.nat(2_000_000_000),
  requestsPerSecond: fc.double({ min: 0, max: 500, noNaN: true }),
  limitPerSecond: fc.option(fc.double({ min: 0.01, max: 500, noNaN: true }), { nil: undefined }),
  waits: fc.array(fc.record({ reason: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 120 }), ms: fc.nat() }), {
    maxLength: 3,
  }),
  limits: fc.array(
    fc.record({
      name: fc.string({ unit: 'grapheme', maxLength: 60 }),
      perSecond: fc.constant(25),
      usedPerSecond: fc.constant(24),
      percent: fc.nat(100),
      knownBy: fc.constant('headers'),
    }),
    { maxLength: 8 },
  ),
});

test('whatever is drawn wraps nowhere, fits the terminal, and leaves no colour on', () => {
  fc.assert(
    fc.property(
      anyProgress,
      fc.integer({ min: 20, max: 200 }),
      fc.integer({ min: 3, max: 60 }),
      (more, columns, rows) => {
        const streams = more.streams.map(({ error, ...rest }) =>
          stream({ ...rest, ...(error === undefined ? {} : { error }) }),
        );
        const lines = render(progress({ ...more, streams }), { columns, rows });
        expect(lines.length).toBeLessThan(rows);
        for (const line of lines) {
          expect(widthOf(line), line).toBeLessThanOrEqual(columns);
          expect(line).not.toMatch(/[\n\r\t]/);
          // What is left of every escape sequence is nothing: none was cut.
          expect(stripVTControlCharacters(line)).not.toContain('\u001b');
          for (const [, percent] of line.matchAll(/(\d+)%/g)) expect(Number(percent)).toBeLessThanOrEqual(100);
        }
      },
    ),
  );
});

test('what does not fit is hidden: the rate first, then the ranges, then the rows; the name and the bar stay', () => {
  const own = stream({ limit: { name: 'endpoint', perSecond: 25, usedPerSecond: 25 }, openRanges: 12 });
  const at = (columns: number) =>
    stripVTControlCharacters(render(progress({ streams: [own] }), { columns, rows: 24 })[0]!).replace(/[█▓▒░]+/, 'BAR');
  const seen = new Set(Array.from({ length: 181 }, (_, i) => at(200 - i)));
  expect([...seen].slice(0, 4)).toEqual([
    '▸ customers BAR  1,234 rows  12 ranges  25.0 of 25/s, endpoint',
    '▸ customers BAR  1,234 rows  12 ranges',
    '▸ customers BAR  1,234 rows',
    '▸ customers BAR',
  ]);
  expect(at(20)).toBe('▸ customers BAR');
});

test('a share of more than the limit is the limit', () => {
  expect(plainLine(progress({ requestsPerSecond: 131, limitPerSecond: 100 }))).toContain(
    '131.0 requests/s (100% of the limit)',
  );
});

test('where nothing is drawn, the first line says what is read', () => {
  const streams = Array.from({ length: 14 }, (_, i) => stream({ name: `s${i}` }));
  expect(startLine(progress())).toBe('reading 1 stream: customers');
  expect(startLine(progress({ streams }))).toMatch(/^reading 14 streams: s0, .*s11 and 2 more$/);
});
