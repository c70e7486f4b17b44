/** Parts of a stream whose end was doubtful: the next run reads them once more, and then takes them for what they are. */
import { expect, test } from 'vitest';
import type { Evidence } from '../../src/base/evidence.js';
import type { Division, PageRequest } from '../../src/sources/contract.js';
import { CHAIN, clock, T0, PAGE, RANGE, rows, ids, sync, live, stream, inDestination } from '../evidence-support.js';

inDestination();

const WINDOWS: Division = {
  kind: 'range',
  unit: 1,
  order: 'unordered',
  window: 10_000,
  pageRows: PAGE,
  bounded: true,
  position: (row) => Number(row['at']),
};

/** Windows over 300 rows; those that `isBad` says are answered without their list. */
function windows(isBad: (gte: number, run: number) => boolean) {
  const all = rows(300, (i) => T0 - 90_000 + i * 290);
  let run = 0;
  const asked: number[][] = [];
  const page = ({ gte, lt, cursor }: PageRequest) => {
    asked[run]!.push(gte ?? 0);
    if (cursor === null && isBad(gte ?? 0, run))
      return { records: [], hasMore: false, next: null, end: { kind: 'stated', doubt: 'path' } as const };
    const found = all.filter(({ at }) => at >= (gte ?? -Infinity) && at < (lt ?? Infinity));
    const start = Number(cursor ?? 0);
    const isLast = start + PAGE >= found.length;
    return { records: found.slice(start, start + PAGE), hasMore: !isLast, next: isLast ? null : String(start + PAGE) };
  };
  const once = async (more = {}) => {
    asked[++run] = [];
    clock.now += 3600;
    const summary = await sync(stream(WINDOWS, page, { kind: 'cursor', lookback: 1 }), more);
    return { outcome: summary.outcome, doubt: summary.proofs[0]!.doubt, asked: asked[run]! };
  };
  return { all, once };
}

const between = (gte: number, from: number, to: number) => gte >= T0 - from && gte < T0 - to;

test.each([
  ['one window', 60_000, 50_000],
  ['the oldest', 200_000, 80_000],
  ['neighbours', 70_000, 30_000],
])('%s without a list: complete and unproven, and whole after the next run', async (_, from, to) => {
  const { all, once } = windows((gte, run) => run === 1 && between(gte, from, to));
  const first = await once();
  expect(first.outcome).toBe('complete');
  expect(first.doubt).toContain('list of records');
  expect((await live()).length).toBeLessThan(all.length);
  const second = await once();
  expect([second.outcome, second.doubt]).toEqual(['complete', undefined]);
  expect(await live()).toEqual(ids(all));
  // Only what was doubtful, and what is new.
  expect(second.asked.length).toBeLessThan(first.asked.length);
});

test('what stays as it is costs one look, not one in every run', async () => {
  const { once } = windows((gte) => between(gte, 60_000, 50_000));
  const runs = [await once(), await once(), await once(), await once()];
  const looks = runs.map(({ asked }) => asked.filter((gte) => between(gte, 60_000, 50_000)).length);
  expect(looks.slice(1)).toEqual([looks[0], 0, 0]);
  expect(runs.every(({ outcome, doubt }) => outcome === 'complete' && doubt !== undefined)).toBe(true);
});

test('rows that are only added are not read again', async () => {
  const { once } = windows((gte) => between(gte, 60_000, 50_000));
  await once({ mode: 'append' });
  const second = await once({ mode: 'append' });
  expect(second.asked.filter((gte) => between(gte, 60_000, 50_000))).toEqual([]);
});

const ENDS: Evidence[] = [{ kind: 'ignored' }, { kind: 'stated', doubt: 'path' }, { kind: 'stated', doubt: 'refused' }];
const DIVISIONS: [string, Division][] = [
  ['newest first', RANGE],
  ['oldest first', { ...RANGE, order: 'ascending' } as Division],
  ['windows', WINDOWS],
  ['a chain', CHAIN],
];
test.each(DIVISIONS.flatMap(([name, division]) => ENDS.map((end) => [name, end, division] as const)))(
  '%s: an empty page that claims more, asked for again, and then %o, is no end that is proven',
  async (_, end, division) => {
    let asked = 0;
    const page = () => {
      const isFirst = asked++ === 0;
      return { records: [], hasMore: isFirst, next: isFirst ? 'x' : null, ...(isFirst ? {} : { end }) };
    };
    const { outcome, proofs } = await sync(stream(division, page, { kind: division === CHAIN ? 'reread' : 'cursor' }));
    expect(outcome !== 'complete' || proofs[0]!.doubt !== undefined).toBe(true);
  },
);
