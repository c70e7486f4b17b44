import { expect, test } from 'vitest';
import type { ApiClient } from '../../http/client.js';
import { StripeReader } from './reader.js';
import { STREAMS } from './streams.js';

const items = STREAMS.find(({ name }) => name === 'subscription_items')!;
const request = { gte: null, lt: null, cursor: null, signal: new AbortController().signal, weight: () => 1 };

/** A list of `total` rows whose server answers as `lie` says. */
function readerOf(total: number, lie: (page: number, rows: number) => { rows?: number; more?: boolean }): StripeReader {
  let asked = 0;
  const client = {
    request: async ({ path }: { path: string }) => {
      const query = new URL(path, 'http://stripe').searchParams;
      const from = Number(query.get('starting_after')?.slice(3) ?? -1) + 1;
      const true_ = Math.min(100, total - from);
      const { rows = true_, more = from + true_ < total } = lie(++asked, true_);
      const data = Array.from({ length: rows }, (_, i) => ({ id: `si_${from + i}`, object: 'subscription_item' }));
      return { body: { object: 'list', data, has_more: more, url: '/' }, serverTimeMs: 1, bytes: 1 };
    },
  } as unknown as ApiClient;
  return new StripeReader({ client, account: undefined, version: () => '', start: -Infinity, wanted: () => undefined });
}

test.each([
  ['tells the truth', () => ({})],
  ['says that a full page is the last', () => ({ more: false })],
  ['answers without a row now and then', (page: number) => (page % 2 === 1 ? { rows: 0, more: true } : {})],
])('all children of a parent come where the server %s', async (_, lie) => {
  for (const total of [0, 1, 100, 250, 300]) {
    const { records } = await readerOf(total, total === 0 ? () => ({}) : lie).childrenOf(items, 'sub_1', request);
    expect(records.map(({ id }) => id)).toEqual(Array.from({ length: total }, (_row, i) => `si_${i}`));
  }
});

test('a list that goes on without a row is an error: what is missing must not be taken for deleted', async () => {
  const reader = readerOf(250, (page) => (page > 1 ? { rows: 0, more: true } : {}));
  await expect(reader.childrenOf(items, 'sub_1', request)).rejects.toMatchObject({ code: 'empty_page' });
});
