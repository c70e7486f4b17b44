/** Answers without a row: only an empty list is one, and nothing else deletes, first or later. */
import { afterEach, describe, expect, test } from 'vitest';
import { asList, asPage } from '../../src/sources/stripe/lists.js';
import { destination, inDestination, name } from '../evidence-support.js';
import { manifestConnection, manifestOf, Reply, scripted, streamOf } from '../manifest-support.js';
import { liveIds } from '../memory-support.js';

inDestination();

const close: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const each of close.splice(0)) await each();
});

const ROWS = [{ id: 1 }, { id: 2 }, { id: 3 }];

/** A connection whose server answers as the test says. */
async function connected(answer: () => unknown, fieldPath = '[data]', more: { retriever?: string } = {}) {
  const server = await scripted(answer);
  const yaml = manifestOf(streamOf('things', more)).replace('field_path: [data]', `field_path: ${fieldPath}`);
  const own = manifestConnection({ manifest: yaml, url: server.url, into: { destination, connection: name } });
  close.push(() => server.close(), own.drop);
  return own;
}

const atTop = { path: '[]', whole: ROWS };
const anyOf = { path: "[data, '*']", whole: { data: ROWS } };
const within = { path: '[data, items]', whole: { data: { items: ROWS } } };
const inData = { path: '[data]', whole: { data: ROWS } };

const NO_LIST: [string, { path: string; whole: unknown }, unknown][] = [
  ['an object without fields', inData, {}],
  ['an empty object in place of the list', inData, { data: {} }],
  ['an empty text in place of the list', inData, { data: '' }],
  ['null in place of the list', inData, { data: null }],
  ['false in place of the list', inData, { data: false }],
  ['zero in place of the list', inData, { data: 0 }],
  ['nulls in the list', inData, { data: [null, null] }],
  ['no list', inData, { status: 'ok' }],
  ['a list where an object holds it', within, { data: [] }],
  ['an object that lacks it', within, { data: {} }],
  ['null where an object holds it', within, { data: null }],
  ['an empty body', inData, new Reply(200, '')],
  ['an empty body, at the top', atTop, new Reply(200, '')],
  ['an object at the top', atTop, {}],
  ['null at the top', atTop, new Reply(200, 'null')],
  ['an empty text at the top', atTop, new Reply(200, '""')],
  ['no content', inData, new Reply(204, '')],
  ['no content, at the top', atTop, new Reply(204, '')],
  ['nothing to take all of', anyOf, { status: 'ok' }],
  ['null to take all of', anyOf, { data: null }],
  ['an empty text to take all of', anyOf, { data: '' }],
  ['an error in words', inData, { data: [], message: 'Rate limit exceeded, try again later' }],
  ['a warning', inData, { data: [], warnings: ['the search failed on 2 shards'] }],
  ['a code of its own', inData, { data: [], code: 40_013, msg: '?' }],
  ['a negative code', inData, { data: [], errcode: -1 }],
  ['a total', inData, { data: [], total_count: 3 }],
  ['a total around it', inData, { data: [], paging: { total: 3 } }],
  ['more that follow', inData, { data: [], has_more: true }],
  ['an answer that is not whole', inData, { data: [], incomplete_results: true }],
];

const LISTS: [string, { path: string; whole: unknown }, unknown][] = [
  ['an empty list', inData, { data: [] }],
  ['an empty list at the top', atTop, []],
  ['an empty list within', within, { data: { items: [] } }],
  ['an empty list to take all of', anyOf, { data: [] }],
  ['an empty object to take all of', anyOf, { data: {} }],
  ['words that all is well', inData, { data: [], message: 'No errors', code: 0, total: 0, has_more: false }],
  ['words that nothing was found', inData, { data: [], message: 'Nothing found', code: 200, status: 'success' }],
];

describe('manifests', () => {
  test.each(NO_LIST)('%s: unproven at first, and deletes nothing later', async (_, { path, whole }, body) => {
    let answer = body;
    const own = await connected(() => answer, path);
    const first = (await own.sync()).summary;
    expect(first.problems.length > 0 || first.proofs[0]!.doubt !== undefined).toBe(true);
    answer = whole;
    expect((await own.sync()).summary.outcome).toBe('complete');
    answer = body;
    for (let again = 0; again < 2; again++) {
      const { summary } = await own.sync();
      expect(summary.problems.length > 0 || summary.proofs[0]!.doubt !== undefined).toBe(true);
      expect(await liveIds(destination, name)).toEqual([1, 2, 3]);
    }
  });

  test.each(LISTS)('%s: the list is empty, and what it held is gone once it is so again', async (_, shape, body) => {
    let answer = body;
    const own = await connected(() => answer, shape.path);
    const proofOf = async () => (await own.sync()).summary.proofs[0]!;
    expect((await proofOf()).doubt).toBeUndefined();
    answer = shape.whole;
    await own.sync();
    answer = body;
    expect((await proofOf()).doubt).toBeUndefined();
    expect(await liveIds(destination, name)).toEqual([1, 2, 3]); // all of them at once: held back
    expect((await proofOf()).doubt).toBeUndefined();
    expect(await liveIds(destination, name)).toEqual([]);
  });

  test.each([
    ['lines', '{type: JsonlDecoder}', '{"id":1}\n{"id":2}\n{"id":3}', ''],
    ['CSV', '{type: CsvDecoder}', 'id\n1\n2\n3', ''],
    ['items of JSON', '{type: JsonItemsDecoder, items_path: data}', '{"data":[{"id":1},{"id":2},{"id":3}]}', '{}'],
    [
      'items of JSON that are null',
      '{type: JsonItemsDecoder, items_path: data}',
      '{"data":[{"id":1}]}',
      '{"data":null}',
    ],
  ])('an answer that is no list of %s', async (_, decoder, whole, none) => {
    let answer = new Reply(200, whole);
    const own = await connected(() => answer, '[]', { retriever: `decoder: ${decoder}` });
    expect((await own.sync()).summary.outcome).toBe('complete');
    const live = await liveIds(destination, name);
    expect(live.length).toBeGreaterThan(0);
    answer = new Reply(200, none);
    for (let again = 0; again < 2; again++) {
      const { summary } = await own.sync();
      expect(summary.problems.length > 0 || summary.proofs[0]!.doubt !== undefined).toBe(true);
      expect(await liveIds(destination, name)).toEqual(live);
    }
  });
});

test.each([
  [{}],
  [{ data: {} }],
  [{ data: '' }],
  [{ data: null, has_more: false }],
  [{ data: {}, has_more: false }],
  [{ data: [] }],
  [{ data: [], has_more: 'false' }],
  [{ data: [], has_more: false, error: { message: 'later' } }],
  [null],
  [''],
])('Stripe: %j is no list', (body) => {
  expect(() => asList(body, 'v1/customers')).toThrow('no list');
  expect(() => asPage(body, 'v1/customers', 1)).toThrow('no list');
  expect(() => asPage(body, 'v2/core/accounts', 2)).toThrow('no list');
});
