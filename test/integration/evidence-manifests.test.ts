/** Evidence of manifests' streams: what their lists and errors tell of an end. */
import { afterAll, describe, expect, test } from 'vitest';
import { manifestConnection, manifestOf, Reply, scripted, streamOf, type Row } from '../manifest-support.js';
import { startTestbed } from '../../src/testbed/index.js';
import { liveIds } from '../memory-support.js';
import { syncStripe } from '../support.js';
import { T0, destination, name, inDestination } from '../evidence-support.js';

// They wait for their retries most of the time.
describe.concurrent('manifests', () => {
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
  afterAll(async () => {
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

  const ignoringGone =
    'error_handler: {type: DefaultErrorHandler, response_filters: [{http_codes: [410, 451], action: IGNORE}]}';
  test.each([
    ['an error', () => new Reply(404, { message: 'no such page' })],
    ['an error that is ignored', () => new Reply(410, { message: 'no such page' })],
    ['the same page again', () => ({ data: list(40).slice(20), has_more: true })],
    ['the first page again', () => ({ data: list(20), has_more: true })],
    ['no rows', () => ({ data: [], has_more: true })],
  ])('past a full last page comes %s: that is its end', async (_, past) => {
    const all = list(40);
    const { stored, summary, proof, asked } = await run(
      pager(claiming, 'after'),
      (query) => {
        const at = Number(query['after'] ?? -1) + 1;
        return at >= 40 ? past() : { data: all.slice(at, at + 20), has_more: at + 20 < 40 };
      },
      ignoringGone,
    );
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('complete');
    expect(stored.size).toBe(40);
    expect(proof.doubt).toBeUndefined();
    expect(asked.length).toBeLessThan(7);
  });

  const noAnswers: [string, () => unknown][] = [
    ['a failure in words', () => ({ status: 'error', data: [] })],
    ['an error with status 200', () => ({ error: 'maintenance', data: null })],
    ['no list', () => ({ message: 'the service is being updated' })],
    ['nothing', () => new Reply(200, '')],
    ['no content', () => new Reply(204, '')],
    ['a web page', () => new Reply(200, '<html>Log in</html>', { 'content-type': 'text/html' })],
    ['half a body', () => new Reply(200, '{"data":[{"id":')],
    ['an error of the server', () => new Reply(500)],
    ['a ban', () => new Reply(403, { message: 'forbidden' })],
    ['a ban that is ignored', () => new Reply(451, { message: 'forbidden' })],
  ];
  test.each(noAnswers)('past a full page that claims the end comes %s: it tells nothing', async (_, past) => {
    const all = list(40);
    const answer = (times: number) => {
      let left = times;
      return (query: Record<string, string>) => {
        const at = Number(query['after'] ?? -1) + 1;
        if (at === 20 && left-- > 0) return past();
        return { data: all.slice(at, at + 20), has_more: at !== 0 && at + 20 < 40 };
      };
    };
    const once = await run(pager(claiming, 'after'), answer(1), ignoringGone);
    expect([once.stored.size === 40, once.proof.doubt !== undefined]).toContain(true);
    const always = await run(pager(claiming, 'after'), answer(Infinity), ignoringGone);
    expect(always.summary.outcome !== 'complete' || always.proof.doubt !== undefined).toBe(true);
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
    ['success: "false"', { success: 'false', data: [] }],
    ['ok: 0', { ok: 0, data: [] }],
    ['a status in words', { status: 'error', data: [] }],
    ['errors beside an empty list', { errors: [{ message: 'throttled' }], data: [] }],
    ['a status as a number', { status: 503, data: [] }],
    ['a code', { code: 429, msg: 'busy', data: [] }],
    ['a status within its head', { meta: { status: 'error' }, data: [] }],
    ['an error within its head', { meta: { error: { message: 'busy' } }, data: [] }],
    ['a result', { result: 'failure', data: [] }],
  ])('an envelope that says it failed holds no list: %s', async (_, body) => {
    const alone = await run('', () => body);
    expect(alone.summary.problems.length > 0 || alone.proof.doubt !== undefined).toBe(true);
    const amid = await run(cursors, ({ cursor }) => (cursor ? body : { data: list(10), next: 'b' }));
    expect(amid.summary.outcome).not.toBe('complete');
    expect(amid.summary.problems[0]).toMatchObject({ code: 'error_envelope' });
  });

  test.each([
    ['messages', { errorMessages: ['try later'], data: [] }, true],
    ['a flag', { has_error: true, data: [] }, true],
    ['another flag', { isError: true, data: [] }, true],
    ['a code of its own', { error_code: 'E17', data: [] }, true],
    ['no message', { errorMessage: '', error_code: 0, hasErrors: false, data: [] }, false],
    ['a message that all is well', { error_message: 'OK', errorCode: '200', errorMessages: [], data: [] }, false],
  ])('an empty list beside what hints at a failure is unproven: %s', async (_, body, isWeak) => {
    const { summary, proof } = await run('', () => body);
    expect(summary.outcome).toBe('complete');
    expect(proof.doubt !== undefined).toBe(isWeak);
    const ending = await run(numbers(10), ({ page }) => (Number(page ?? 0) > 1 ? body : { data: list(20).slice(-10) }));
    expect(ending.summary.problems).toEqual([]);
  });

  test.each([
    [404, undefined],
    [410, undefined],
    [416, undefined],
    [422, undefined],
    [404, 20],
    [422, 20],
  ])('page numbers end with status %s (full last page: %s): all rows come, within a bound', async (status, rowsOf) => {
    const all = list(rowsOf ?? 25);
    const { stored, summary, asked, proof } = await run(numbers(10), (query) => {
      const at = Number(query['page'] ?? 0) * 10;
      return at >= all.length ? new Reply(status, { message: 'no such page' }) : { data: all.slice(at, at + 10) };
    });
    expect(summary.problems).toEqual([]);
    expect(stored.size).toBe(all.length);
    expect(asked.length).toBeLessThan(60);
    // Some APIs give so many pages and no more.
    if (rowsOf !== undefined) expect(proof.doubt).toBeDefined();
  });

  test('null past the last page of a list by numbers: all rows come, unproven', async () => {
    const { stored, summary, proof } = await run(numbers(10), (query) => {
      const at = Number(query['page'] ?? 0) * 10;
      return { data: at >= 30 ? null : list(30).slice(at, at + 10) };
    });
    expect([summary.outcome, stored.size]).toEqual(['complete', 30]);
    expect(proof.doubt).toContain('list of records');
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

describe('a stream of Stripe', () => {
  inDestination();

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
});
