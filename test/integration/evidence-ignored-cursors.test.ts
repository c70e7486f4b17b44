/** Servers that give the same page whatever cursor they are asked with, and claim the end on one of their answers. */
import { afterAll, expect, test } from 'vitest';
import { manifestConnection, manifestOf, scripted, streamOf, type Row } from '../manifest-support.js';

const close: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const each of close.splice(0)) await each();
});

const SIZE = 10;
const all: Row[] = Array.from({ length: 34 }, (_, id) => ({ id }));
const pager = (cursor: string, stop: string, size: boolean) => `paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}
${size ? '  page_size_option: {type: RequestOption, inject_into: request_parameter, field_name: limit}\n' : ''}  pagination_strategy: {type: CursorPagination, cursor_value: '${cursor}', stop_condition: '${stop}'${size ? `, page_size: ${SIZE}` : ''}}`;
const MORE = '{{ not response.has_more }}';
const WALKS: [string, string][] = [
  ['tokens of rows', pager('{{ last_record.id }}', MORE, true)],
  ['tokens of rows, no size', pager('{{ last_record.id }}', MORE, false)],
  ['tokens of answers', pager('{{ response.next }}', MORE, true)],
  ['tokens of answers that differ', pager('{{ response.other }}', MORE, true)],
  ['tokens that stop coming', pager('{{ response.next }}', '{{ not response.next }}', true)],
];

async function read(retriever: string, endsAt: number) {
  // The check asks for the first page.
  let asked = -1;
  const server = await scripted(() => {
    const isEnd = ++asked === endsAt;
    const hasMore = !isEnd;
    return { data: all.slice(0, SIZE), has_more: hasMore, next: hasMore ? 'more' : null, other: `more-${asked}` };
  });
  const own = manifestConnection({ manifest: manifestOf(streamOf('users', { retriever })), url: server.url });
  close.push(() => server.close(), own.drop);
  const { summary } = await own.sync();
  return { outcome: summary.outcome, doubt: summary.proofs[0]?.doubt, asked };
}

// Without a token at the end, nothing but the claim tells of a first page.
const CASES = WALKS.flatMap(([name, retriever]) =>
  [1, 2, 3, 4, 5]
    .filter((at) => at > 1 || !retriever.includes('response.next'))
    .map((at) => [name, at, retriever] as const),
);
test.concurrent.each(CASES)('%s: the end that answer %i claims is not proven', async (_, at, retriever) => {
  const { outcome, doubt, asked } = await read(retriever, at);
  expect(asked).toBeLessThan(60);
  if (outcome === 'complete') expect(doubt).toContain('came before');
});
