/** Whatever last commits a crash forgets, whoever wrote them finds out. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WrittenEntries } from './written.js';

const KEYS = 4;
/** Each commit writes or deletes some entries. */
const commits = fc.array(
  fc.uniqueArray(fc.tuple(fc.nat({ max: KEYS }), fc.boolean()), {
    minLength: 1,
    maxLength: 3,
    selector: ([key]) => key,
  }),
  {
    minLength: 1,
    maxLength: 12,
  },
);

test.each([false, true])('a forgotten commit is found out, and nothing else is, shared: %s', (isShared) => {
  fc.assert(
    fc.property(commits, fc.nat({ max: 12 }), (all, kept) => {
      const written = new WrittenEntries();
      let now = new Map<string, number>();
      const after = [now];
      for (const commit of all) {
        const writes = commit.map(([key, isDeleted]) => {
          const expect = now.get(`s ${key}`) ?? 0;
          return { stream: 's', key: String(key), expect, value: isDeleted && expect > 0 ? null : 1 };
        });
        now = new Map(now);
        for (const { key, expect, value } of writes)
          if (value === null) now.delete(`s ${key}`);
          else now.set(`s ${key}`, expect + 1);
        after.push(now);
        written.note(writes);
      }
      const stored = after[Math.min(kept, all.length)]!;
      const isSame =
        [...now].length === stored.size && [...now].every(([entry, version]) => stored.get(entry) === version);
      const older = written.older((entry) => stored.get(entry), isShared);
      if (isSame) expect(older).toEqual([]);
      // Who shares a read may find its entries deleted by others.
      else if (!isShared) expect(older).not.toEqual([]);
    }),
    { numRuns: 5000 },
  );
});

test('an entry that was made anew, and is there as it was before it was deleted', () => {
  const written = new WrittenEntries();
  const write = (expect: number, value: number | null) => written.note([{ stream: 's', key: 'k', expect, value }]);
  for (const [expected, value] of [
    [0, 1],
    [1, 1],
    [2, null],
    [0, 1],
  ] as const)
    write(expected, value);
  expect(written.older(() => 2, false)).toEqual(['s k']);
  expect(written.older(() => 1, false)).toEqual([]);
});

test('a commit whose answer was lost is no sign of a crash, whether it was stored or not', () => {
  const written = new WrittenEntries();
  const first = [{ stream: 's', key: 'k', expect: 0, value: 1 }];
  written.begin(first);
  written.note(first);
  written.begin([{ stream: 's', key: 'k', expect: 1, value: 1 }]);
  for (const stored of [1, 2]) expect(written.older(() => stored, false)).toEqual([]);
  expect(written.older(() => undefined, false)).toEqual(['s k']);
  written.begin([{ stream: 's', key: 'k', expect: 1, value: null }]);
  expect(written.older(() => undefined, false)).toEqual([]);
});
