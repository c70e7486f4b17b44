/** A report is one file: what comes from outside is text in it, and it needs nothing from elsewhere. */
import { expect, test } from 'vitest';
import type { RunDetail } from '../run-store.js';
import { seriesOf } from '../samples.js';
import { reportPage } from './report.js';

const NASTY = `<script>alert('x')</script>"&`;

/** A run in which whatever comes from outside is nasty. Long because it has every field. */
const run = (more: Partial<RunDetail> = {}): RunDetail => ({
  id: 'r1',
  connection: NASTY,
  task: 1,
  attempt: 1,
  kind: 'sync',
  worker: NASTY,
  startedAt: '2026-03-01T12:00:00.000Z',
  updatedAt: '2026-03-01T12:01:00.000Z',
  finishedAt: '2026-03-01T12:01:00.000Z',
  outcome: 'partial',
  rows: 1234,
  requests: 20,
  rejections: 3,
  progress: {
    runId: 'r1',
    elapsedMs: 60_000,
    rows: 1234,
    rowsPerSecond: 0,
    requests: 20,
    rejections: 3,
    rejectedFor: {},
    requestsPerSecond: 0,
    limitPerSecond: undefined,
    limits: [{ name: NASTY, perSecond: 25, usedPerSecond: 24, percent: 96, knownBy: 'headers', rejections: 3 }],
    waits: [],
    leftMs: 0,
    bufferedBytes: 0,
    streams: [
      {
        name: NASTY,
        status: 'failed',
        rows: 1234,
        pages: 13,
        expectedPages: 0,
        done: [{ from: 0.5, to: 1 }],
        openRanges: 1,
        openSlices: 0,
      },
    ],
  },
  summary: {
    runId: 'r1',
    connection: NASTY,
    outcome: 'partial',
    seconds: 60,
    requests: 20,
    rejections: 3,
    rejectedFor: {},
    rows: 1234,
    pages: 13,
    proofs: [
      {
        stream: 'charges',
        pages: 13,
        rows: 1234,
        ranges: 2,
        span: { gte: 0, lt: 10 },
        gaps: 0,
        overlaps: 0,
        open: 0,
        counts: { read: 1234, inserted: 1234, updated: 0, unchanged: 0, quarantined: 0, deleted: 0 },
        stored: 1234,
        tombstones: 0,
        quarantined: 0,
        evidence: 'counted',
        doubt: 'rows moved while the list was read',
        faults: [],
      },
    ],
    problems: [{ stream: NASTY, status: 'failed', message: NASTY, code: 'x', next: 'correct the key' }],
    notes: [NASTY],
  },
  reason: null,
  ...more,
});

const series = seriesOf(
  [1, 2, 3].map((seconds) => ({
    at: `2026-03-01T12:00:0${seconds}.000Z`,
    sample: {
      elapsedMs: seconds * 1000,
      rows: seconds * 100,
      requests: seconds * 25,
      rejections: seconds,
      bufferedBytes: 1000,
      limitPerSecond: 25,
      limits: { [NASTY]: [24, 25, seconds] as [number, number, number] },
      waits: [],
    },
  })),
);
const event = {
  id: 1,
  run: 'r1',
  connection: NASTY,
  at: '2026-03-01T12:00:01.000Z',
  event: { type: 'note', message: NASTY },
};
const failed = { ...event, id: 2, event: { type: 'stream', stream: 'charges', status: 'failed', message: 'refused' } };

test('what it is told is text, whatever it holds, and nothing is asked of elsewhere', () => {
  const page = reportPage(run(), [event], series, '1.2.3');
  expect(page).not.toMatch(/<script/i);
  expect(page).not.toMatch(/\b(?:src|href)=|https?:\/\/|@import|url\(/i);
  expect(page).toContain('&lt;script&gt;');
  expect(page).not.toContain('undefined');
  expect(page).not.toContain('NaN');
});

test('it tells the proof with its evidence, what was slow and why, and what went wrong first', () => {
  const page = reportPage(run(), [event, failed], series, '1.2.3');
  for (const text of ['counted', 'unproven: rows moved while the list was read', 'correct the key', 'was full', '50%'])
    expect(page).toContain(text);
  expect(page.indexOf('charges: failed, refused')).toBeLessThan(page.lastIndexOf('&lt;script&gt;'));
  expect(page.match(/<figure>/g)!.length).toBe(5);
});

test.each<[RunDetail['outcome'], RegExp]>([
  ['cancelled', /It was cancelled/],
  ['killed', /ended without a word/],
  ['dead', /It is dead: its task has given up\. the key is wrong; next: correct it/],
  ['failed', /the key is wrong; next: correct it/],
  [null, /It goes on/],
])('of a run that is %s, it says what became of it', (outcome, text) => {
  const reason = { message: 'the key is wrong', next: 'correct it' };
  expect(reportPage(run({ outcome, reason, summary: null }), [], seriesOf([]), '1')).toMatch(text);
});
