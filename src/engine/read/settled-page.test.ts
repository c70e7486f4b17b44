/** Walks whose last page came before. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Page, Stream } from '../../sources/contract.js';
import { settled } from './settled-page.js';
import { WalkMemory } from './walk-memory.js';

const stream = { name: 'rows', primaryKey: ['id'] } as Stream;
const pageOf = (ids: number[], more: Partial<Page> = {}): Page => ({
  records: ids.map((id) => ({ id })),
  next: more.hasMore === false ? null : 'next',
  hasMore: true,
  serverTimeMs: undefined,
  bytes: 1,
  ...more,
});

const notAsked = () => Promise.reject(new Error('not asked for'));
const NOTHING = { first: notAsked, again: notAsked };

async function walk(pages: Page[]): Promise<Page> {
  const memory = new WalkMemory(stream);
  let last = pages[0]!;
  for (const page of pages) last = await settled(memory, page, NOTHING);
  return last;
}

const distinct = fc.uniqueArray(fc.integer(), { minLength: 2, maxLength: 12 });
/** At most as many repeats as do not end a walk with an error. */
const walks = fc.tuple(distinct, fc.nat({ max: 11 }), fc.integer({ min: 1, max: 9 }));

test('whatever page comes again as the last one, the end is doubtful; any other, or an empty one, is an end', async () => {
  await fc.assert(
    fc.asyncProperty(walks, async ([ids, which, repeats]) => {
      const came = ids.map((id) => [id, -id]);
      const again = came[which % came.length]!;
      const pages = () => [...came, ...Array.from({ length: repeats }, () => again)].map((page) => pageOf(page));
      const doubtOf = async (last: number[]) => (await walk([...pages(), pageOf(last, { hasMore: false })])).end?.doubt;
      expect(await doubtOf(again)).toBe('again');
      expect(await doubtOf([])).toBeUndefined();
      expect(await doubtOf([Math.max(...ids) + 1])).toBeUndefined();
    }),
  );
});

test('rows on the bound of two windows come with both: that is no page of a circle', async () => {
  const { end } = await walk([
    pageOf([1, 2], { part: 10 }),
    pageOf([3], { part: 10 }),
    pageOf([3], { part: 20, hasMore: false }),
  ]);
  expect(end).toBeUndefined();
});
