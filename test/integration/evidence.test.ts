/** Why a stream is believed to be read to its end, what is no end, and what is called deleted. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { CursorGoneError } from '../../src/base/errors.js';
import type { RunSummary } from '../../src/engine/report/events.js';
import type { Division, Follow, PageRequest, Stream } from '../../src/sources/contract.js';
import { manifestConnection, manifestOf, Reply, scripted, streamOf, type Row } from '../manifest-support.js';
import { startTestbed } from '../../src/testbed/index.js';
import { liveIds, memoryStream, syncMemory, type MemoryRow, type MemorySync } from '../memory-support.js';
import { query, syncStripe, testDatabase, uniqueName } from '../support.js';

const T0 = 1_795_000_000;
const PAGE = 10;
const clock = { now: T0 };

let destination: PostgresDestination;
let name: string;
beforeEach(async () => {
  name = uniqueName();
  destination = await testDatabase(name);
});
afterEach(() => destination.close());

const rows = (count: number, at: (i: number) => number = (i) => T0 - 90_000 + i * 37): MemoryRow[] =>
  Array.from({ length: count }, (_, i) => ({ id: `r${String(i).padStart(4, '0')}`, at: at(i) }));
const ids = (list: MemoryRow[]) => list.map((row) => row.id).toSorted();
const sync = (stream: Stream, more: MemorySync = {}): Promise<RunSummary> =>
  syncMemory(destination, name, clock, [stream], { createdMs: (T0 - 100_000) * 1000, ...more });
const live = () => liveIds(destination, name);

const RANGE: Division = {
  kind: 'range',
  unit: 1,
  order: 'descending',
  pageRows: PAGE,
  position: (row) => Number(row['at']),
};
const CHAIN: Division = { kind: 'chain', pageRows: PAGE };
const reread: Follow = { kind: 'reread' };
type Answer = Parameters<typeof memoryStream>[2];
const stream = (division: Division, page: Answer, follow: Follow = reread, more: Partial<Stream> = {}) =>
  memoryStream(clock, { division, follow, ...more }, page);

/** A list with both bounds, newest first. */
function listed(all: MemoryRow[], { gte, lt, cursor }: PageRequest) {
  const found = all
    .filter((row) => row.at >= (gte ?? -Infinity) && row.at < (lt ?? Infinity))
    .toSorted((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
  const start = cursor === null ? 0 : found.findIndex((row) => row.id === cursor) + 1;
  if (cursor !== null && start === 0) throw new CursorGoneError('gone', { code: 'cursor_gone' });
  const records = found.slice(start, start + PAGE);
  return { records, hasMore: start + PAGE < found.length, next: records.at(-1)?.id ?? null };
}

function chained(all: MemoryRow[], { cursor }: PageRequest) {
  const start = Number(cursor ?? 0);
  return {
    records: all.slice(start, start + PAGE),
    next: String(start + PAGE),
    hasMore: start + PAGE < all.length,
  };
}

describe('a full page that claims the end is looked at again', () => {
  test.each([1, 2, 5])('has_more: false on every %i. page: all rows come', async (each) => {
    const all = rows(300);
    let asked = 0;
    const lying = (request: PageRequest) => {
      const page = listed(all, request);
      return ++asked % each === 0 ? { ...page, hasMore: false } : page;
    };
    const summary = await sync(stream(RANGE, lying, { kind: 'cursor' }));
    expect(await live()).toEqual(ids(all));
    expect(summary.outcome).toBe('complete');
    expect(summary.proofs[0]!.doubt).toBeUndefined();
  });

  test('has_more: true without a place to go on is no end', async () => {
    const all = rows(100);
    const summary = await sync(
      stream(RANGE, (request) => ({ ...listed(all, request), next: null }), { kind: 'cursor' }),
    );
    expect(await live()).toEqual(ids(all));
    expect(summary.outcome).toBe('complete');
  });

  test('more rows of one second than a page holds, and the page claims the end', async () => {
    const all = rows(60, () => T0 - 50_000);
    let asked = 0;
    const summary = await sync(
      stream(
        RANGE,
        (request) => {
          const page = listed(all, request);
          return ++asked === 6 ? { ...page, hasMore: false } : page;
        },
        { kind: 'cursor' },
      ),
    );
    expect(await live()).toEqual(ids(all));
    expect(summary.outcome).toBe('complete');
  });

  test('a page that is not full costs no request more', async () => {
    let asked = 0;
    const all = rows(PAGE - 1);
    await sync(
      stream(
        RANGE,
        (request) => {
          asked++;
          return listed(all, request);
        },
        { kind: 'cursor' },
      ),
    );
    expect(asked).toBe(1);
  });
});

describe('what is no end', () => {
  const endless: [string, Division, (request: PageRequest) => ReturnType<Answer>][] = [
    [
      'tokens A, B, A, B',
      CHAIN,
      ({ cursor }) => ({
        records: rows(2).slice(cursor === 'A' ? 0 : 1, cursor === 'A' ? 1 : 2),
        hasMore: true,
        next: cursor === 'A' ? 'B' : 'A',
      }),
    ],
    [
      'a chain whose server ignores the token',
      CHAIN,
      ({ cursor }) => ({ records: rows(5), hasMore: true, next: String(Number(cursor ?? 0) + 1) }),
    ],
    [
      'the last page for ever',
      CHAIN,
      ({ cursor }) => ({
        records: rows(60).slice(Math.min(50, Number(cursor ?? 0)), Math.min(50, Number(cursor ?? 0)) + PAGE),
        hasMore: true,
        next: String(Number(cursor ?? 0) + PAGE),
      }),
    ],
    [
      'empty pages that claim more, each with another token',
      CHAIN,
      ({ cursor }) => ({ records: [], hasMore: true, next: String(Number(cursor ?? 0) + 1) }),
    ],
    ['one empty page that claims more', CHAIN, () => ({ records: [], hasMore: true, next: null })],
    [
      'a range whose server ignores the cursor',
      RANGE,
      (request) => ({ ...listed(rows(40), { ...request, cursor: null }), hasMore: true }),
    ],
    [
      'page numbers that the server ignores',
      { kind: 'numbered', pageRows: PAGE },
      () => ({ records: rows(PAGE), hasMore: true }),
    ],
    [
      'a slice whose server ignores the token',
      { kind: 'slices', pageRows: PAGE, of: { list: async () => ['a'] } },
      ({ cursor }) => ({ records: rows(5), hasMore: true, next: String(Number(cursor ?? 0) + 1) }),
    ],
    [
      'a slice of one empty page that claims more',
      { kind: 'slices', pageRows: PAGE, of: { list: async () => ['a'] } },
      () => ({ records: [], hasMore: true, next: null }),
    ],
  ];
  test.each(endless)('%s: an error that says so, within a bound', async (_, division, answer) => {
    let asked = 0;
    const summary = await sync(
      stream(division, (request) => {
        if (++asked > 400) throw new Error('it does not end');
        return answer(request);
      }),
    );
    expect(summary.outcome).not.toBe('complete');
    expect(summary.problems[0]!.message).not.toContain('it does not end');
    expect(['pages_repeat', 'unit_unreadable']).toContain(summary.problems[0]!.code);
    expect(asked).toBeLessThan(300);
  });

  test.each([3, 15])('%i empty pages amid others, each with a token, are walked over', async (empties) => {
    const all = rows(50);
    const answer = ({ cursor }: PageRequest) => {
      const at = Number(cursor ?? 0);
      if (at >= 20 && at < 20 + empties) return { records: [], hasMore: true, next: String(at + 1) };
      const start = at < 20 ? at : at - empties;
      return { records: all.slice(start, start + PAGE), hasMore: start + PAGE < all.length, next: String(at + PAGE) };
    };
    expect((await sync(stream(CHAIN, answer))).outcome).toBe('complete');
    expect(await live()).toEqual(ids(all));
    const sliced = stream({ kind: 'slices', pageRows: PAGE, of: { list: async () => ['a'] } }, answer, reread, {
      name: 'others',
    });
    expect((await sync(sliced)).outcome).toBe('complete');
    expect(await liveIds(destination, name, 'others')).toEqual(ids(all));
  });
});

describe('evidence', () => {
  test('page numbers: counted with a total, unproven without, stated where one page holds all', async () => {
    const all = rows(35);
    const numbered = (total: boolean, list = all) =>
      stream({ kind: 'numbered', pageRows: PAGE }, ({ number }) => ({
        records: list.slice(number! * PAGE, (number! + 1) * PAGE),
        ...(total ? { total: list.length } : {}),
      }));
    expect((await sync(numbered(true))).proofs[0]).toMatchObject({ evidence: 'counted', faults: [] });
    const unproven = await sync(numbered(false));
    expect(unproven.outcome).toBe('complete');
    expect(unproven.proofs[0]).toMatchObject({ evidence: 'stated', doubt: expect.stringContaining('page numbers') });
    expect((await sync(numbered(false, all.slice(0, 9)))).proofs[0]!.doubt).toBeUndefined();
  });

  test('a page that is shorter than asked, since the API caps it, is no end', async () => {
    const all = rows(250);
    const summary = await sync(
      stream({ kind: 'numbered', pageRows: 500 }, ({ number }) => ({
        records: all.slice(number! * 100, (number! + 1) * 100),
      })),
    );
    expect(summary.outcome).toBe('complete');
    expect(await live()).toEqual(ids(all));
  });

  test.each([
    ['as of an API that counts bytes', [9, 3, 5, 10, 7, 10, 10, 4, 9]],
    ['of which some are longer than asked', [12, 10, 3, 25, 10, 7, 10]],
  ])('pages of any length, %s, end where one is empty', async (_, lengths) => {
    const at = (page: number) => lengths.slice(0, page).reduce((sum, length) => sum + length, 0);
    const all = rows(at(lengths.length));
    const summary = await sync(
      stream({ kind: 'numbered', pageRows: PAGE }, ({ number }) => ({
        records: all.slice(at(number!), at(number! + 1)),
      })),
    );
    expect(summary.outcome).toBe('complete');
    expect(summary.proofs[0]!.doubt).toBeDefined();
    expect(await live()).toEqual(ids(all));
  });

  test('the weakest part counts, is kept with the state, and survives a pause', async () => {
    const slices = Array.from({ length: 20 }, (_, i) => `s${i}`);
    const stop = new AbortController();
    let asked = 0;
    const make = () =>
      stream({ kind: 'slices', pageRows: PAGE, of: { list: async () => slices } }, ({ slice }) => {
        if (++asked === 4) stop.abort();
        return {
          records: [{ id: slice!, at: T0 - 5 }],
          ...(slice === 's0' ? { end: { kind: 'stated', doubt: 'pages' } as const } : {}),
        };
      });
    await sync(make(), { signal: stop.signal });
    const summary = await sync(make());
    expect(summary.outcome).toBe('complete');
    expect(summary.proofs[0]).toMatchObject({ evidence: 'stated', doubt: expect.any(String) });
  });

  test('an ignored error is strong for one parent, and weak for a whole stream', async () => {
    const ignored = { records: [], end: { kind: 'ignored' } as const };
    expect((await sync(stream(CHAIN, () => ignored))).proofs[0]).toMatchObject({
      evidence: 'ignored',
      doubt: expect.any(String),
    });
    const sliced = stream({ kind: 'slices', pageRows: PAGE, of: { list: async () => ['a'] } }, () => ignored, reread, {
      name: 'others',
    });
    const proof = (await sync(sliced)).proofs[0]!;
    expect([proof.evidence, proof.doubt]).toEqual(['ignored', undefined]);
  });
});

describe('what is called deleted', () => {
  const shapes: [string, (all: () => MemoryRow[]) => Stream][] = [
    ['chain', (all) => stream(CHAIN, (request) => chained(all(), request))],
    ['range', (all) => stream(RANGE, (request) => listed(all(), request))],
  ];

  test.each(shapes)('%s: a few rows that are gone are marked', async (_, make) => {
    let all = rows(120);
    await sync(make(() => all));
    all = all.filter((_row, i) => i % 20 !== 3);
    const summary = await sync(make(() => all));
    expect(summary.outcome).toBe('complete');
    expect(await live()).toEqual(ids(all));
  });

  test.each(shapes)('%s: a page that comes back short once deletes nothing', async (_, make) => {
    const all = rows(120);
    await sync(make(() => all));
    let asked = 0;
    // One row is left out of the list for a while.
    const summary = await sync(make(() => (++asked < 14 ? all.filter((_row, i) => i !== 50) : all)));
    expect(summary.outcome).toBe('complete');
    expect(await live()).toEqual(ids(all));
  });

  test.each(shapes)('%s: a collapse is held back, said, and taken by a later run that agrees', async (_, make) => {
    const all = rows(120);
    await sync(make(() => all));
    const few = all.slice(0, 60);
    const held = await sync(make(() => few));
    expect(held.outcome).toBe('partial');
    expect(held.notes.join()).toMatch(/60 of 120 rows did not come again.*--accept-deletions things/);
    expect(await live()).toEqual(ids(all));
    const agreed = await sync(make(() => few));
    expect(agreed.outcome).toBe('complete');
    expect(await live()).toEqual(ids(few));
  });

  test.each(shapes)('%s: a collapse that was a fault heals; one that is accepted is taken at once', async (_, make) => {
    const all = rows(40);
    await sync(make(() => all));
    expect((await sync(make(() => []))).outcome).toBe('partial');
    expect(await live()).toEqual(ids(all));
    const healed = await sync(make(() => all));
    expect([healed.outcome, healed.notes.join()]).toEqual(['complete', '']);
    expect(
      (
        await sync(
          make(() => all.slice(0, 5)),
          { acceptDeletions: ['things'] },
        )
      ).outcome,
    ).toBe('complete');
    expect(await live()).toEqual(ids(all.slice(0, 5)));
  });

  test('nothing is marked on weak evidence', async () => {
    const all = rows(40);
    await sync(stream(CHAIN, (request) => chained(all, request)));
    const weak = await sync(
      stream(CHAIN, () => ({ records: all.slice(0, 39), end: { kind: 'stated', doubt: 'path' } })),
    );
    expect(weak.proofs[0]!.doubt).toBeDefined();
    expect(await live()).toEqual(ids(all));
  });

  test('without keys the earlier rows stay where the new ones collapse', async () => {
    let all = rows(40);
    const make = () => stream(CHAIN, (request) => chained(all, request), reread, { primaryKey: [] });
    await sync(make());
    const whole = all;
    all = [];
    expect((await sync(make())).outcome).toBe('partial');
    const stored = async () =>
      (await query(destination, `select count(*)::int as n from ${name}.things`))[0]!['n'] as number;
    expect(await stored()).toBe(40);
    all = whole.slice(0, 38);
    expect((await sync(make())).outcome).toBe('complete');
    expect(await stored()).toBe(38);
  });
});

describe('walks that lose their place', () => {
  test('rows without a key are read once more, and stand there once', async () => {
    const all = rows(60);
    let expired = 1;
    const summary = await sync(
      stream(
        CHAIN,
        (request) => {
          if (request.cursor === '30' && expired-- > 0) throw new CursorGoneError('gone', { code: 'cursor_gone' });
          return chained(all, request);
        },
        reread,
        { primaryKey: [] },
      ),
    );
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('complete');
    expect(await live()).toEqual(ids(all));
  });

  test('a cursor that the server moves is asked with once, and never by who comes after', async () => {
    const all = rows(60);
    let at = 0;
    const once: (boolean | undefined)[] = [];
    const scroll: Answer = ({ cursor, once: isOnce }) => {
      if (cursor === null) at = 0;
      once.push(isOnce);
      const records = all.slice(at, at + PAGE);
      at += PAGE;
      return { records, hasMore: at < all.length, next: 'scroll' };
    };
    const consumed: Division = { kind: 'chain', pageRows: PAGE, cursor: 'consumed' };
    const stop = new AbortController();
    const first = await sync(
      stream(consumed, (request) => {
        const page = scroll(request);
        // This page came, and is not stored.
        if (at === 3 * PAGE) stop.abort();
        return page;
      }),
      { signal: stop.signal },
    );
    expect(first.outcome).toBe('paused');
    expect(once.slice(0, 3)).toEqual([false, true, true]);
    const second = await sync(stream(consumed, scroll));
    expect(second.outcome).toBe('complete');
    expect(once[once.length - 6]).toBe(false);
    expect(await live()).toEqual(ids(all));
  });
});

describe('manifests', () => {
  const pager = (strategy: string, field: string) => `paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: ${field}}
  page_size_option: {type: RequestOption, inject_into: request_parameter, field_name: limit}
  pagination_strategy: ${strategy}`;
  const offsets = (size: number) => pager(`{type: OffsetIncrement, page_size: ${size}}`, 'offset');
  const numbers = (size: number) => pager(`{type: PageIncrement, page_size: ${size}}`, 'page');
  const cursors = pager("{type: CursorPagination, cursor_value: '{{ response.next }}', page_size: 10}", 'cursor');
  const list = (count: number): Row[] => Array.from({ length: count }, (_, id) => ({ id }));
  const close: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const each of close.splice(0)) await each();
  });

  async function run(retriever: string, answer: (query: Record<string, string>) => unknown, requester = '') {
    const server = await scripted(({ query }) => answer(query));
    const own = manifestConnection({
      manifest: manifestOf(streamOf('users', { retriever, requester })),
      url: server.url,
    });
    close.push(() => server.close(), own.drop);
    const ran = await own.sync();
    const stored = new Set((ran.rows['users'] ?? []).map((row) => row['id'] as number));
    return { ...ran, stored, asked: server.asked, proof: ran.summary.proofs[0]!, sync: own.sync };
  }

  test.each([
    ['the front', 1, 30, 0],
    ['the front, at the last page', 6, 30, 0],
    ['the middle', 4, 15, 60],
    ['a single row', 3, 1, 0],
  ])('rows leave %s of an offset list while it is read: every row that stays comes', async (_, at, gone, from) => {
    let all = list(170);
    const staying = new Set([...all.slice(0, from), ...all.slice(from + gone)].map(({ id }) => id as number));
    let asked = 0;
    const { stored, summary, proof } = await run(offsets(20), (query) => {
      if (++asked === at + 1) all = [...all.slice(0, from), ...all.slice(from + gone)];
      const offset = Number(query['offset'] ?? 0);
      return { data: all.slice(offset, offset + Number(query['limit'])) };
    });
    expect(summary.outcome).toBe('complete');
    expect([...staying].filter((id) => !stored.has(id))).toEqual([]);
    expect(proof).toMatchObject({ evidence: 'confirmed', faults: [] });
  });

  test('an offset list that never stands still is unproven', async () => {
    let all = list(200);
    const { summary, proof } = await run(offsets(20), (query) => {
      all = all.slice(1);
      const offset = Number(query['offset'] ?? 0);
      return { data: all.slice(offset, offset + 20) };
    });
    expect(summary.outcome).toBe('complete');
    expect(proof.doubt).toContain('rows moved');
  });

  test.each([
    ['offsets', offsets(500), 100, 250],
    ['offsets, a whole number of pages', offsets(500), 50, 200],
    ['page numbers', numbers(500), 25, 110],
  ])('the API caps the size of a page: %s', async (_, retriever, cap, count) => {
    const all = list(count);
    const { stored, summary } = await run(retriever, (query) => {
      const start = query['page'] === undefined ? Number(query['offset'] ?? 0) : Number(query['page']) * cap;
      return { data: all.slice(start, start + Math.min(cap, Number(query['limit']))) };
    });
    expect(summary.outcome).toBe('complete');
    expect(stored.size).toBe(count);
  });

  test.each([
    ['by rows, no round number', () => 73],
    ['by bytes', (at: number) => 20 + (at % 37)],
    ['by bytes, from the second page on', (at: number) => (at < 100 ? 100 : 30 + (at % 41))],
  ])('the API gives less than asked for: %s', async (_, size) => {
    const all = list(250);
    const { stored, summary, proof } = await run(offsets(100), (query) => {
      const at = Number(query['offset'] ?? 0);
      return { data: all.slice(at, at + size(at)) };
    });
    expect(summary.outcome).toBe('complete');
    expect(stored.size).toBe(250);
    expect(proof.doubt).toBeUndefined();
  });

  const claiming =
    "{type: CursorPagination, cursor_value: '{{ last_record.id }}', stop_condition: '{{ not response.has_more }}'}";
  test('has_more: false on full pages is looked at, and no page is asked for past one that is not full', async () => {
    const all = list(705);
    const { stored, summary, proof, asked } = await run(pager(claiming, 'after'), (query) => {
      const at = Number(query['after'] ?? -1) + 1;
      return { data: all.slice(at, at + 100), has_more: false };
    });
    expect(summary.outcome).toBe('complete');
    expect(stored.size).toBe(705);
    expect(proof.doubt).toBeUndefined();
    // The check asks for the first page.
    expect(asked).toHaveLength(9);
  });

  test.each([
    ['an error', () => new Reply(404, { message: 'no such page' })],
    ['an error of the server', () => new Reply(500)],
    ['the same page again', () => ({ data: list(40).slice(20), has_more: true })],
    ['the first page again', () => ({ data: list(20), has_more: true })],
    ['no rows', () => ({ data: [], has_more: true })],
  ])('past a full last page comes %s: that is its end', async (_, past) => {
    const all = list(40);
    const { stored, summary, proof, asked } = await run(pager(claiming, 'after'), (query) => {
      const at = Number(query['after'] ?? -1) + 1;
      return at >= 40 ? past() : { data: all.slice(at, at + 20), has_more: at + 20 < 40 };
    });
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('complete');
    expect(stored.size).toBe(40);
    expect(proof.doubt).toBeUndefined();
    expect(asked.length).toBeLessThan(7);
  });

  test('a stop condition that looks at the rows is no claim of the API', async () => {
    const all = list(100);
    const wanted =
      "{type: CursorPagination, cursor_value: '{{ last_record.id }}', stop_condition: '{{ last_record.id >= 39 or not response.has_more }}'}";
    const { stored } = await run(pager(wanted, 'after'), (query) => {
      const at = Number(query['after'] ?? -1) + 1;
      return { data: all.slice(at, at + 20), has_more: true };
    });
    expect(stored.size).toBe(40);
  });

  test.each([
    ['ok: false', { ok: false, message: 'later', data: [] }],
    ['success: false', { success: false, data: [] }],
    ['a status in words', { status: 'error', data: [] }],
    ['errors beside an empty list', { errors: [{ message: 'throttled' }], data: [] }],
  ])('an envelope that says it failed holds no list: %s', async (_, body) => {
    const alone = await run('', () => body);
    expect(alone.summary.problems.length > 0 || alone.proof.doubt !== undefined).toBe(true);
    const amid = await run(cursors, ({ cursor }) => (cursor ? body : { data: list(10), next: 'b' }));
    expect(amid.summary.outcome).not.toBe('complete');
    expect(amid.summary.problems[0]).toMatchObject({ code: 'error_envelope' });
  });

  test('no content past the last page of a list is its end', async () => {
    const { stored, summary } = await run(numbers(10), (query) => {
      const at = Number(query['page'] ?? 0) * 10;
      return at >= 30 ? new Reply(204, '') : { data: list(30).slice(at, at + 10) };
    });
    expect(summary.outcome).toBe('complete');
    expect(stored.size).toBe(30);
  });

  /** A list that is read by a cursor which the server moves with each answer. */
  function scroll(rowsOf: number, lost: number[], word: string) {
    const all = list(rowsOf);
    let at = 0;
    let walk = 0;
    let asked = 0;
    const hang = new Set(lost);
    return (query: Record<string, string>) => {
      if (query[word] === undefined) {
        at = 0;
        walk++;
      } else if (query[word] !== `s${walk}`) return new Reply(404, { message: 'no such cursor' });
      const data = all.slice(at, at + 10);
      at += 10;
      return hang.delete(++asked) ? new Reply(502, { message: 'bad gateway' }) : { data, cursor: `s${walk}` };
    };
  }

  test.each([
    ['scroll_param', [4]],
    ['cursor', [4]],
    ['cursor', [3]],
    ['cursor', [2, 6]],
  ])('the server moves its cursor (%s): where an answer is lost the walk begins anew', async (word, lost) => {
    const scrolling = pager(
      "{type: CursorPagination, cursor_value: '{{ response.cursor }}', stop_condition: '{{ response.data | length == 0 }}'}",
      word,
    );
    const { stored, summary, proof } = await run(scrolling, scroll(70, lost, word));
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('complete');
    expect(stored.size).toBe(70);
    expect(proof.doubt).toBeUndefined();
  });

  test('a cursor that expired begins the walk anew; one that is refused each time fails with what the API said', async () => {
    const all = list(60);
    let expired = 1;
    const answer = (query: Record<string, string>) => {
      const at = Number(query['cursor'] ?? 0);
      if (at === 30 && expired-- > 0) return new Reply(400, { message: 'cursor expired' });
      return { data: all.slice(at, at + 10), next: at + 10 < 60 ? String(at + 10) : null };
    };
    const healed = await run(cursors, answer);
    expect([healed.summary.outcome, healed.stored.size]).toEqual(['complete', 60]);
    expired = Infinity;
    const stays = await run(cursors, answer);
    expect(stays.summary.problems[0]!.message).toContain('the API refused');
    expect(stays.asked.length).toBeLessThan(30);
  });

  const ignoring =
    'error_handler: {type: DefaultErrorHandler, response_filters: [{http_codes: [404], action: IGNORE}]}';
  test('an ignored error past the first page is no end: the walk begins anew, and is given up in the end', async () => {
    const all = list(40);
    let fails = 2;
    const answer = (query: Record<string, string>) => {
      const at = Number(query['cursor'] ?? 0);
      if (at === 20 && fails-- > 0) return new Reply(404, { message: 'no such page' });
      return { data: all.slice(at, at + 10), next: at + 10 < 40 ? String(at + 10) : null };
    };
    const healed = await run(cursors, answer, ignoring);
    expect([healed.summary.outcome, healed.stored.size]).toEqual(['complete', 40]);
    fails = Infinity;
    const stays = await run(cursors, answer, ignoring);
    expect(stays.summary.outcome).not.toBe('complete');
    expect(stays.summary.problems[0]!.message).toContain('ignores');
    expect(stays.asked.length).toBeLessThan(30);
    expect((await run(cursors, () => new Reply(404), ignoring)).proof).toMatchObject({
      evidence: 'ignored',
      doubt: expect.any(String),
    });
  });

  test.each([
    ['an error with status 200', { error: 'maintenance', data: null }],
    ['errors with status 200', { errors: [{ message: 'later' }] }],
  ])('%s is an error', async (_, body) => {
    const { summary } = await run('', () => body);
    expect(summary.outcome).not.toBe('complete');
    expect(summary.problems[0]).toMatchObject({ code: 'error_envelope' });
  });

  test('an answer without its list: unproven on the first page, an error on another', async () => {
    expect((await run('', () => ({ status: 'ok' }))).proof).toMatchObject({
      doubt: expect.stringContaining('list of records'),
    });
    const later = await run(cursors, (query) => (query['cursor'] ? { status: 'ok' } : { data: list(10), next: 'b' }));
    expect(later.summary.problems[0]).toMatchObject({ code: 'record_path_missing' });
    expect((await run('', () => ({ data: [] }))).proof.doubt).toBeUndefined();
  });

  test('pages without a row that go on for ever: an error within a bound', async () => {
    const { summary, asked } = await run(cursors, (query) => ({
      data: [],
      next: String(Number(query['cursor'] ?? 0) + 1),
    }));
    expect(summary.problems[0]).toMatchObject({ code: 'pages_repeat' });
    expect(asked.length).toBeLessThan(60);
  });
});

test('an invoice that disappears between its page and its lines is left out, and the others come', async () => {
  const lines = { object: 'list', data: [{ id: 'il_1' }], has_more: true, url: '/v1/invoices/in_2/lines' };
  const invoices = [3, 2, 1].map((i) => ({
    id: `in_${i}`,
    object: 'invoice',
    created: T0 - i,
    ...(i === 2 ? { lines } : {}),
  }));
  const server = await startTestbed(
    {
      endpointOf: (url) => url.pathname,
      answer: ({ url }) => {
        const headers = { date: new Date(T0 * 1000).toUTCString() };
        const body = url.pathname.endsWith('/lines')
          ? { error: { code: 'resource_missing', message: 'No such invoice' } }
          : url.pathname === '/v1/account'
            ? { id: 'acct_1', object: 'account', created: T0 - 1000 }
            : {
                object: 'list',
                data: url.pathname === '/v1/invoices' ? invoices : [],
                has_more: false,
                url: url.pathname,
              };
        return { status: 'error' in body ? 404 : 200, body: JSON.stringify(body), headers };
      },
    },
    { limit: 'none' },
  );
  try {
    const summary = await syncStripe({
      url: server.url,
      destination,
      connection: name,
      source: { streams: ['invoices'] },
    });
    expect([summary.outcome, summary.problems]).toEqual(['complete', []]);
    expect(await liveIds(destination, name, 'invoices')).toEqual(['in_1', 'in_3']);
  } finally {
    await server.close();
  }
});
