// Draws a made-up run that goes on, as `headrace sync` would: for tests that look at a terminal.
import { ProgressView } from '../dist/cli/terminal/progress-view.js';

const view = new ProgressView(true);
let frame = 0;
const stream = (name, status, more = {}) => ({
  name,
  status,
  rows: 12_345,
  pages: 130,
  expectedPages: 20,
  done: [{ from: 0.1, to: 0.4 }],
  openRanges: 12,
  openSlices: 0,
  limit: { name: 'endpoint', perSecond: 25, usedPerSecond: 25 },
  ...more,
});
console.error('$ headrace sync stripe');
/** The terminal's title tells how often it was drawn, for who waits for that. */
const drawn = (snapshot) => {
  process.stderr.write(`\u001B]2;drawn ${frame}\u0007`);
  return snapshot;
};
view.start(() =>
  drawn({
    runId: 'r',
    elapsedMs: 61_000,
    rows: 1_234_567,
    rowsPerSecond: 2400,
    requests: 13_000 + Math.min(frame++, 10),
    rejections: 1,
    rejectedFor: { 'endpoint rate': 1 },
    requestsPerSecond: 99,
    limitPerSecond: 98,
    limits: [
      { name: 'endpoint charges', perSecond: 25, usedPerSecond: 25, percent: 100, knownBy: 'prior' },
      { name: 'global', perSecond: 100, usedPerSecond: 97, percent: 97, knownBy: 'headers' },
    ],
    waits: [{ reason: 'Retry-After', limit: 'endpoint', ms: 8000 }],
    leftMs: 130_000,
    bufferedBytes: 0,
    streams: [
      stream('charges', 'reading'),
      stream('balance_transactions', 'reading', {
        expectedPages: 90,
        limit: { name: 'global', perSecond: 100, usedPerSecond: 97.2 },
      }),
      stream('顧客', 'reading', { expectedPages: 10, openRanges: 1 }),
      stream('customers', 'complete'),
      stream('invoices', 'failed', { error: 'the key may not read invoices: give it the permission in the dashboard' }),
    ],
  }),
);
const over = Number(process.argv[2] ?? 600_000);
setTimeout(() => {
  view.stop();
  console.error('Paused.');
}, over);
