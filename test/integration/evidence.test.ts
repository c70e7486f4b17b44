/** Why a stream is believed to be read to its end, what is no end, and what is called deleted. */
import { describe, expect, test } from 'vitest';
import { CursorGoneError } from '../../src/base/errors.js';
import type { Division, PageRequest, Stream } from '../../src/sources/contract.js';
import { liveIds, type MemoryRow } from '../memory-support.js';
import { query } from '../support.js';
import {
  T0,
  PAGE,
  destination,
  name,
  rows,
  ids,
  sync,
  live,
  RANGE,
  CHAIN,
  reread,
  type Answer,
  stream,
  listed,
  chained,
  inDestination,
} from '../evidence-support.js';

inDestination();

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
    const all = rows(135);
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
    expect(summary.proofs[0]).toMatchObject({ evidence: 'confirmed' });
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
