import { expect, test } from 'vitest';
import { CredentialGate } from './credential-gate.js';
import type { Answer } from './gate.js';

const EPOCH_MS = 1_800_000_000_000;
const at = { endpoint: 'a', cost: 1 };

/** Sends one after the other for so long, to a server with windows of ten seconds; returns how many were accepted. */
function drive(gate: CredentialGate, forMs: number, reply: (used: number) => 'accepted' | 'rejected'): number[] {
  const windows: number[] = [];
  for (let now = 0; now < forMs;) {
    const verdict = gate.check(now, at);
    if (!verdict.go) {
      now += Math.max(1, Math.min(verdict.waitMs, 1000));
      continue;
    }
    const ticket = gate.sent(now, at);
    now += 20;
    const window = Math.floor(now / 10_000);
    const kind = reply((windows[window] = windows[window] ?? 0));
    if (kind === 'accepted') windows[window]!++;
    const answer: Answer = {
      kind,
      signs: {
        readings: [
          {
            kind: 'epoch',
            limit: 'requests',
            quota: 100,
            remaining: 0,
            resetMs: EPOCH_MS + (window + 1) * 10_000,
            grainMs: 1000,
          },
        ],
        ...(kind === 'rejected' ? { rejection: {} } : {}),
      },
      serverTimeMs: EPOCH_MS + Math.floor(now / 1000) * 1000,
    };
    gate.answered(now, ticket, answer);
  }
  return windows;
}

test('a server that says "none left" with each answer is believed no more, and that is shown', () => {
  const gate = new CredentialGate();
  const windows = drive(gate, 60_000, () => 'accepted');
  expect(windows[5]).toBeGreaterThan(50);
  expect(gate.status(60_000).limits[0]!.doubted).toContain('none was left');
});

test('where others use all but one, that is found out once, and believed', () => {
  const gate = new CredentialGate();
  let refused = 0;
  const windows = drive(gate, 150_000, (used) => (used === 0 ? 'accepted' : (refused++, 'rejected')));
  expect(windows.filter((n) => n === 1).length).toBeGreaterThan(12);
  expect(refused).toBeLessThanOrEqual(2);
  expect(gate.status(150_000).limits[0]!.doubted).toBeUndefined();
});
