import { expect, test } from 'vitest';
import type { Progress } from '../engine/report/events.js';
import { metricsText } from './metrics.js';

test('metrics tell requests, rejections and their reasons, and how much of each limit is used', () => {
  const progress: Progress = {
    runId: 'r',
    elapsedMs: 1000,
    rows: 200,
    rowsPerSecond: 100,
    requests: 7,
    rejections: 1,
    rejectedFor: { 'endpoint rate': 1 },
    requestsPerSecond: 7,
    limitPerSecond: 100,
    leftMs: undefined,
    bufferedBytes: 12,
    limits: [
      { name: 'global', perSecond: 100, usedPerSecond: 40, percent: 40, knownBy: 'prior' },
      { name: 'odd "name"\n', perSecond: undefined, usedPerSecond: 1, percent: undefined, knownBy: 'searching' },
    ],
    waits: [{ reason: 'Retry-After', limit: 'global', ms: 1500 }],
    streams: [
      {
        name: 'customers',
        status: 'reading',
        rows: 200,
        pages: 2,
        expectedPages: 3,
        done: [],
        openRanges: 1,
        openSlices: 0,
      },
    ],
  };
  const text = metricsText('prod', progress);
  expect(text).toContain('# TYPE headrace_requests_total counter\nheadrace_requests_total{connection="prod"} 7\n');
  expect(text).toContain('headrace_rejections_total{connection="prod",reason="endpoint rate"} 1');
  expect(text).toContain('headrace_limit_used_ratio{connection="prod",limit="global"} 0.4');
  expect(text).toContain('headrace_wait_seconds{connection="prod",reason="Retry-After",limit="global"} 1.5');
  expect(text).not.toContain('odd "name"');
  for (const line of text.trim().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) headrace_\w+ .+|headrace_\w+\{.*\} [\d.]+)$/);
});
