import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import type { StreamProof } from '../../engine/report/events.js';
import { proofTable } from './summary.js';

function proofOf(stream: string, more: Partial<StreamProof> = {}): StreamProof {
  return {
    stream,
    pages: 12,
    rows: 1200,
    ranges: 3,
    span: { gte: 0, lt: 1 },
    gaps: 0,
    overlaps: 0,
    open: 0,
    counts: { read: 1200, inserted: 1200, updated: 0, unchanged: 0, quarantined: 0, deleted: 0 },
    stored: 1200,
    tombstones: 0,
    quarantined: 0,
    evidence: 'stated',
    faults: [],
    ...more,
  };
}

test.each([40, 60, 80, 100, 200])('at %i columns no line is wider', (width) => {
  const text = proofTable([proofOf('customers'), proofOf('invoices')], width);
  for (const line of text.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(width);
  expect(text).toMatch(/customers.*proven/);
});

test('what is not 0 is kept while there is room, and what is left out is named', () => {
  const text = proofTable([proofOf('customers', { quarantined: 3 })], 100);
  expect(text).toContain('quarantined');
  expect(text).toContain('0 in all: updated, unchanged, gaps, overlaps, open');
  expect(proofTable([proofOf('customers')])).not.toContain('0 in all');
});
