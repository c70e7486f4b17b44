/** What stands among the objects of a list and is none is set aside; the rows beside it, and the pages after, come. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { destination, inDestination, name } from '../evidence-support.js';
import { manifestOf, streamOf, type Answer } from '../manifest-support.js';
import { api, ids, range, read } from '../manifest-reading.js';
import { headrace, query, scratch } from '../support.js';

const ROWS = range(1, 48);
const PAGE = 10;
const STRANGERS = ['oops', 5, [1, 2], true];
const PLACES = [1, 15, 20, 47];
const token = 'page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: p}';

inDestination();

test.each<[string, string, (p: string | undefined) => number]>([
  ['numbers', '{type: PageIncrement, page_size: 10}', (p) => Number(p ?? 0) * PAGE],
  ['offsets', '{type: OffsetIncrement, page_size: 10}', (p) => Number(p ?? 0)],
  [
    'the last row',
    '{type: CursorPagination, page_size: 10, cursor_value: "{{ last_record.id }}", stop_condition: "{{ response.data | length < 10 }}"}',
    // What stands in place of a page's last row is no row to go on from: the page after begins one row earlier.
    (p) => Number(p ?? 0),
  ],
  ['a link', '{type: CursorPagination, cursor_value: "{{ response.next }}"}', (p) => Number(p ?? 0)],
])('pages by %s', async (_, strategy, from) => {
  const strange = PLACES.flatMap((at) => STRANGERS.map((stranger) => ({ at, stranger })));
  const answer: Answer = ({ path, query: asked }) => {
    const { at, stranger } = strange[Number(path.slice(2))]!;
    const first = from(asked['p']);
    const rows = ROWS.slice(first, first + PAGE);
    return { data: rows.map((id) => (id === at ? stranger : { id })), next: first + PAGE < 47 ? first + PAGE : null };
  };
  const retriever = `paginator: {type: DefaultPaginator, ${token}, pagination_strategy: ${strategy}}`;
  const streams = strange.map((_each, i) => streamOf(`s${i}`, { retriever })).join('');
  const { summary } = await read(answer, streams, { into: { destination, connection: name } });
  expect(summary.outcome).toBe('partial');
  for (const [i, { at, stranger }] of strange.entries()) {
    const stored = await query(destination, `select id from ${name}.s${i} order by id`);
    expect(
      stored.map((row) => Number(row['id'])),
      JSON.stringify({ at, stranger }),
    ).toEqual(ROWS.filter((id) => id !== at));
    const aside = await query(
      destination,
      `select raw, reason from ${name}._headrace_quarantine where stream = 's${i}'`,
    );
    expect(aside).toMatchObject([{ raw: JSON.stringify({ value: stranger }), reason: expect.stringMatching(/key/) }]);
  }
});

test('a list of nothing else says where objects were expected', async () => {
  await expect(read(() => ({ data: ['a', 'b'] }), streamOf('a'))).rejects.toMatchObject({
    cause: { code: 'no_records', found: 'string "a"' },
  });
});

test('null is no row, and is passed over', async () => {
  const { summary, rows } = await read(() => ({ data: [{ id: 1 }, null, { id: 2 }] }), streamOf('a'));
  expect(ids(rows['a'])).toEqual([1, 2]);
  expect(summary.outcome).toBe('complete');
});

test('a manifest may stand where a connection does', async () => {
  const { folder, drop } = scratch();
  const server = await api(() => ({ data: [{ id: 1 }, { id: 2 }] }));
  const file = path.join(folder, 'source-small.yaml');
  writeFileSync(file, manifestOf(streamOf('a')).replace('https://api.test', server.url));
  const to = ['--to', `ndjson:${path.join(folder, 'out')}`];
  expect(await headrace(['sync', file, ...to])).toMatchObject({ code: 0, stdout: expect.stringMatching(/a +1 +2 /) });
  expect(await headrace(['sync', path.join(folder, 'none.yaml'), ...to])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/the manifest cannot be read[\s\S]*none\.yaml[\s\S]*next: check the path/),
  });
  drop();
});
