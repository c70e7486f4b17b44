import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.js';
import { parseJson, stringifyJson } from '../../base/json.js';
import type { DestinationSession, StateEntry, StateWrite } from '../../destinations/contract.js';
import type { Source } from '../../sources/contract.js';
import { LimitMemory } from './limit-memory.js';
import { SourceKeeper } from './source-memory.js';

const DIGITS = '{"id":123456789012345678901234567890,"price":0.1234567890123456789}';

/** Keeps what is written, as a destination does: as text. */
function session() {
  const written: string[] = [];
  const writeState = async (writes: StateWrite[]) => {
    for (const { value } of writes) written.push(stringifyJson(value));
  };
  // All that the keeper asks of a session.
  return { written, session: { writeState } as unknown as DestinationSession };
}

test('what a source keeps has all its digits, and is written once', async () => {
  const { written, session: own } = session();
  // All that the keeper asks of a source.
  const source = { name: 's', memory: { recall() {}, remember: () => parseJson(DIGITS) } } as unknown as Source;
  const keeper = new SourceKeeper(source, own, []);
  await keeper.keep();
  await keeper.keep();
  expect(written).toEqual([DIGITS]);
  const entries = [{ stream: '_source', key: 's', version: 1, value: parseJson(DIGITS) }] as StateEntry[];
  await new SourceKeeper(source, own, entries).keep();
  expect(written).toHaveLength(1);
});

test('what is known of limits has all its digits', async () => {
  const { written, session: own } = session();
  const keeper = { fingerprint: 'f', recall() {}, remember: () => ({ memory: parseJson(DIGITS), views: [] }) };
  const memory = new LimitMemory(keeper, own, { ...systemClock, after: () => () => {} }, []);
  await memory.close();
  expect(written).toHaveLength(1);
  expect(written[0]).toContain(`"memory":${DIGITS}`);
});
