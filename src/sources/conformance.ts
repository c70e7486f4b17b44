/**
 * What every source must do, as cases that any test runner can run: `for (const c of sourceConformance(make, streams))
 * test(c.name, c.run)`.
 */
import assert from 'node:assert/strict';
import { CursorGoneError } from '../base/errors.js';
import { seededRandom } from '../base/random.js';
import type { Page, PageRequest, Source, Stream } from './contract.js';

/** One case, for any test runner. */
export interface ConformanceCase {
  name: string;
  run: () => Promise<void>;
}

/** Pages walked before a stream counts as endless. */
const MAX_PAGES = 1_000;

/** How many rows the API gives at a time: a source must not rely on what it asked for. */
export interface PageSizes {
  kind: 'as asked' | 'fixed' | 'random';
  /** How many rows the next answer shall have at most, where `asked` were asked for. Never 0. */
  rows(asked: number): number;
}

/** Of `fixed` sizes: less than any page that a source asks for, and no divisor of round numbers. */
const FIXED_ROWS = 7;
const SEED = 1;

/** New sizes for each case, so that a case that fails fails again. */
function sizes(kind: PageSizes['kind']): PageSizes {
  const random = seededRandom(SEED);
  return {
    kind,
    rows: (asked) =>
      kind === 'as asked'
        ? asked
        : Math.max(1, Math.min(asked, kind === 'fixed' ? FIXED_ROWS : Math.ceil(random.next() * asked))),
  };
}

/**
 * `make` gives a source whose API holds at least one full page in each stream named in `streams`, and whose API answers
 * with as many rows as `pages` says: each case is run with the sizes that the source asks for, with fixed smaller ones,
 * and with random ones. A `make` that takes no argument cannot vary them, and is run once.
 */
export function sourceConformance(make: (pages: PageSizes) => Promise<Source>, streams: string[]): ConformanceCase[] {
  if (make.length === 0) return casesOf(() => make(sizes('as asked')), streams);
  return (['as asked', 'fixed', 'random'] as const).flatMap((kind) =>
    casesOf(() => make(sizes(kind)), streams).map(({ name, run }) => ({ name: `pages ${kind}: ${name}`, run })),
  );
}

/** Long because it is the list of all cases, each of which stands for itself. */
function casesOf(make: () => Promise<Source>, streams: string[]): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const define = (name: string, run: (source: Source) => Promise<void>) =>
    cases.push({
      name,
      run: async () => {
        const source = await make();
        try {
          await run(source);
        } finally {
          await source.close();
        }
      },
    });
  const request = (more: Partial<PageRequest> = {}): PageRequest => ({
    gte: null,
    lt: null,
    cursor: null,
    signal: new AbortController().signal,
    weight: () => 0,
    ...more,
  });
  const find = (source: Source, name: string): Stream => {
    const stream = source.streams.find((candidate) => candidate.name === name);
    assert.ok(stream, `stream ${name} is not there`);
    return stream;
  };
  const walk = async (stream: Stream, first: Partial<PageRequest>): Promise<Page[]> => {
    const pages: Page[] = [];
    let cursor: string | null = null;
    do {
      const page: Page = await stream.page(request({ ...first, cursor }));
      pages.push(page);
      cursor = page.hasMore ? page.next : null;
      assert.ok(pages.length < MAX_PAGES, 'the walk does not end');
    } while (cursor !== null);
    return pages;
  };
  const keyOf = (stream: Stream, record: Record<string, unknown>) =>
    stream.primaryKey.map((field) => String(record[field])).join('\u0001');

  define("check answers with the server's clock", async (source) => {
    const account = await source.check(new AbortController().signal);
    assert.ok(account.serverTimeMs > 0);
    assert.ok(account.id.length > 0);
  });

  define('streams have distinct names, and their schema holds their key', async (source) => {
    const names = source.streams.map((stream) => stream.name);
    assert.equal(new Set(names).size, names.length);
    for (const stream of source.streams)
      for (const field of stream.primaryKey)
        assert.ok(stream.schema.properties?.[field], `${stream.name}: ${field} is not in the schema`);
  });

  for (const name of streams) {
    define(`${name}: pages follow each other without a gap or a repeat`, async (source) => {
      const stream = find(source, name);
      const first: Partial<PageRequest> = {};
      const pages =
        stream.division.kind === 'numbered' ? await numberedPages(stream, request) : await walk(stream, first);
      const keys = pages.flatMap((page) => page.records.map((record) => keyOf(stream, record)));
      assert.equal(new Set(keys).size, keys.length, 'a key came twice');
      for (const page of pages)
        assert.ok(
          page.records.length <= ('pageRows' in stream.division ? stream.division.pageRows : Infinity),
          'a page is larger than stated',
        );
      for (const page of pages) assert.ok(page.bytes > 0 && page.serverTimeMs !== undefined);
    });

    define(`${name}: a range is answered as it is asked for`, async (source) => {
      const stream = find(source, name);
      const { division } = stream;
      if (division.kind !== 'range') return;
      const all = (await walk(stream, {})).flatMap((page) => page.records);
      const positions = all.map(division.position).filter((position) => !Number.isNaN(position));
      for (let i = 1; i < positions.length; i++)
        assert.ok(
          division.order === 'ascending' ? positions[i]! >= positions[i - 1]! : positions[i]! <= positions[i - 1]!,
          'rows are out of order',
        );
      const sorted = positions.toSorted((a, b) => a - b);
      const gte = sorted[Math.floor(sorted.length * 0.3)]!;
      const lt = sorted[Math.floor(sorted.length * 0.7)]! + division.unit;
      const part = (await walk(stream, { gte, lt })).flatMap((page) => page.records);
      const expected = all.filter((record) => division.position(record) >= gte && division.position(record) < lt);
      assert.deepEqual(
        new Set(part.map((record) => keyOf(stream, record))),
        new Set(expected.map((record) => keyOf(stream, record))),
      );
    });

    define(`${name}: a cursor whose object is gone says so`, async (source) => {
      const stream = find(source, name);
      if (stream.division.kind !== 'range' && stream.division.kind !== 'chain') return;
      const page = await stream.page(request());
      if (page.next === null) return;
      await assert.rejects(stream.page(request({ cursor: `${page.next}gone` })), CursorGoneError);
    });

    define(`${name}: a stopped request ends`, async (source) => {
      const controller = new AbortController();
      const asked = find(source, name).page(request({ signal: controller.signal }));
      controller.abort();
      await asked.then(
        () => {},
        (error: unknown) => assert.ok(error instanceof Error),
      );
    });
  }
  return cases;
}

async function numberedPages(stream: Stream, request: (more: Partial<PageRequest>) => PageRequest): Promise<Page[]> {
  const pages: Page[] = [];
  for (let number = 0; number < MAX_PAGES; number++) {
    const page = await stream.page(request({ number }));
    pages.push(page);
    if (!page.hasMore) break;
  }
  return pages;
}
