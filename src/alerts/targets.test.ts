/** Who is told, and what they are sent. */
import { expect, test } from 'vitest';
import { Egress } from '../base/egress.js';
import { alertsOf } from './alerts.js';
import type { Change } from './alert-store.js';
import { bodyOf, digestOf, shownOf, wants, type AlertTarget } from './targets.js';

const target: AlertTarget = {
  url: 'https://hooks.example.com/services/T0/B0/secret?x=1',
  format: 'json',
  on: ['failed', 'recovered'],
  connection: undefined,
  egress: new Egress({ privateTargets: false, localFiles: false }),
};
const change = (more: Partial<Change>): Change => ({
  connection: 'acme',
  before: [],
  now: [],
  run: { id: 'r1', outcome: 'failed' },
  why: 'the key is wrong',
  freshAsOf: null,
  freshnessSeconds: 7200,
  freshWithinSeconds: 3600,
  ...more,
});

test('of an address nothing is shown but its host', () => {
  expect(shownOf(target)).toBe('https://hooks.example.com/…');
  expect(shownOf({ url: 'http://localhost:99' })).toBe('http://localhost:99');
  expect(digestOf(target)).not.toBe(digestOf({ ...target, format: 'slack' }));
});

test('a target is told what it asked for, of all connections or of its own', () => {
  const alert = { kind: 'failed' as const, connection: 'acme' };
  expect(wants(target, alert)).toBe(true);
  expect(wants(target, { ...alert, kind: 'late' })).toBe(false);
  expect(wants({ ...target, connection: 'other' }, alert)).toBe(false);
  expect(wants({ ...target, connection: 'other' }, { kind: 'test', connection: 'other' })).toBe(true);
});

test.each<[string, Partial<Change>, [string, string][]]>([
  ['what is new', { now: ['failed'] }, [['failed', 'acme failed: the key is wrong']]],
  [
    'what is new beside what was told',
    { before: ['failed'], now: ['failed', 'late'] },
    [['late', 'acme is late: what is stored is 2 h old, and should be no older than 1 h']],
  ],
  ['nothing where less is wrong', { before: ['failed', 'late'], now: ['late'] }, []],
  ['that all is well again', { before: ['failed', 'late'] }, [['recovered', 'acme has recovered']]],
  [
    'late before anything is complete',
    { now: ['late'], freshnessSeconds: null },
    [['late', 'acme is late: nothing of it is complete yet, and should be no older than 1 h']],
  ],
  [
    'unproven',
    { now: ['unproven'], why: 'charges: it moved' },
    [['unproven', 'acme is not proven: charges: it moved']],
  ],
])('is told %s', (_, more, expected) => {
  expect(alertsOf(change(more), 'now').map(({ kind, message }) => [kind, message])).toEqual(expected);
});

test('as an object, or as a message that Slack takes', () => {
  const [alert] = alertsOf(change({ now: ['failed'] }), '2026-03-01T12:00:00.000Z');
  expect(JSON.parse(bodyOf(alert!, 'json'))).toEqual({
    type: 'alert',
    kind: 'failed',
    connection: 'acme',
    at: '2026-03-01T12:00:00.000Z',
    message: 'acme failed: the key is wrong',
    problems: ['failed'],
    run: { id: 'r1', outcome: 'failed' },
    fresh_as_of: null,
  });
  expect(JSON.parse(bodyOf(alert!, 'slack'))).toEqual({ text: 'Headrace: acme failed: the key is wrong' });
});
