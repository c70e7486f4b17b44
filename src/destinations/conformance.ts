/**
 * What every destination must do, as cases that any test runner can run: `for (const c of destinationConformance(make))
 * test(c.name, c.run)`. `make` gives a destination that holds nothing yet; each case closes it. Long because it is the
 * list of all cases.
 */
import assert from 'node:assert/strict';
import { LedgerConflictError } from '../base/errors.js';
import { parseJson, stringifyJson } from '../base/json.js';
import type { DataRecord, JsonSchema, WriteMode } from '../base/catalog.js';
import type { Batch, Destination, DestinationSession, PreparedRows, StateWrite, StreamTarget } from './contract.js';

/** One case, for any test runner. */
export interface ConformanceCase {
  name: string;
  run: () => Promise<void>;
}

const SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    created: { type: ['integer', 'null'] },
    amount: { type: ['number', 'null'] },
    paid: { type: ['boolean', 'null'] },
    note: { type: ['string', 'null'] },
    nested: { type: ['object', 'array', 'null'] },
  },
};

const VERSION = 1_700_000_000_000;

function target(mode: WriteMode = 'upsert', schema = SCHEMA): StreamTarget {
  return { name: 'things', schema, primaryKey: ['id'], mode };
}

interface Bench {
  destination: Destination;
  session: DestinationSession;
  prepare(records: unknown[], version?: number): PreparedRows;
  commit(rows: PreparedRows[], state?: StateWrite[], firstLoad?: boolean): ReturnType<DestinationSession['commit']>;
}

/** The cases for a destination; `make` gives one that holds nothing yet. Long because it is the list of all cases. */
export function destinationConformance(make: () => Promise<Destination>): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const define = (name: string, run: (bench: Bench) => Promise<void>, mode: WriteMode = 'upsert', schema = SCHEMA) =>
    cases.push({
      name,
      run: async () => {
        const destination = await make();
        const session = await destination.open({
          connection: 'conformance',
          runId: 'run1',
          streams: [target(mode, schema)],
          readOnly: false,
          startedMs: VERSION,
        });
        try {
          await run({
            destination,
            session,
            prepare: (records, version = VERSION) =>
              session.prepare({ stream: 'things', records: records as DataRecord[], page: '1.1.1', version }),
            commit: (rows, state = [], firstLoad = false) => session.commit({ rows, state, firstLoad } satisfies Batch),
          });
        } finally {
          await session.close();
          await destination.close();
        }
      },
    });
  const row = (id: string, more: DataRecord = {}): DataRecord => ({
    id,
    created: 1,
    amount: 2.5,
    paid: true,
    note: 'a',
    nested: { x: [1] },
    ...more,
  });
  const entry = (key: string, expect: number, value: unknown): StateWrite => ({ stream: 'things', key, expect, value });

  define('rows and the state that they imply are committed together', async ({ session, prepare, commit }) => {
    const receipt = await commit([prepare([row('a'), row('b')])], [entry('range/1', 0, [0, 10, 1])]);
    assert.equal(receipt.counts['things']?.read, 2);
    assert.deepEqual(await session.loadState(), [{ stream: 'things', key: 'range/1', version: 1, value: [0, 10, 1] }]);
    assert.equal((await session.stored('things')).keys, 2);
  });

  define('a batch whose state was overtaken is refused whole', async ({ session, prepare, commit }) => {
    await commit([prepare([row('a')])], [entry('range/1', 0, 1)]);
    await assert.rejects(commit([prepare([row('b')])], [entry('range/1', 0, 2)]), LedgerConflictError);
    await assert.rejects(commit([prepare([row('c')])], [entry('range/1', 7, 2)]), LedgerConflictError);
    assert.equal((await session.stored('things')).keys, 1);
    assert.deepEqual(
      (await session.loadState()).map((e) => e.value),
      [1],
    );
    assert.equal((await session.counts())['things']?.read, 1);
  });

  define('state entries are written, rewritten and deleted by version', async ({ session }) => {
    await session.writeState([entry('a', 0, { n: 1 }), entry('b', 0, [1])]);
    await session.writeState([entry('a', 1, { n: 2 }), entry('b', 1, null)]);
    assert.deepEqual(await session.loadState(), [{ stream: 'things', key: 'a', version: 2, value: { n: 2 } }]);
    await assert.rejects(session.writeState([entry('a', 1, 3)]), LedgerConflictError);
  });

  define('state survives a new session', async ({ destination, session, prepare, commit }) => {
    await commit([prepare([row('a')])], [entry('range/1', 0, 'kept')]);
    await session.close();
    const again = await destination.open({
      connection: 'conformance',
      runId: 'run2',
      streams: [target()],
      readOnly: false,
      startedMs: VERSION,
    });
    try {
      assert.deepEqual(
        (await again.loadState()).map((e) => e.value),
        ['kept'],
      );
      assert.equal((await again.counts())['things']?.read, 1);
    } finally {
      await again.close();
    }
  });

  define('a second run of the connection is told who holds it', async ({ destination }) => {
    await assert.rejects(
      destination.open({
        connection: 'conformance',
        runId: 'run2',
        streams: [target()],
        readOnly: false,
        startedMs: VERSION,
      }),
      (error: Error & { code?: string; found?: string }) => {
        assert.equal(error.code, 'connection_locked');
        assert.match(error.found ?? '', new RegExp(`run1.*${process.pid}`));
        return true;
      },
    );
  });

  define(
    'delivering a page twice leaves the destination as delivering it once',
    async ({ session, prepare, commit }) => {
      if (!session.capabilities.keys) return;
      await commit([prepare([row('a'), row('b')])], [], true);
      const second = await commit([prepare([row('a'), row('b')])], [], true);
      assert.deepEqual([second.counts['things']?.inserted, second.counts['things']?.unchanged], [0, 2]);
      assert.equal((await session.stored('things')).keys, 2);
    },
  );

  define(
    'a key that stands twice in one batch is stored once, the later read of it',
    async ({ session, prepare, commit }) => {
      if (!session.capabilities.keys) return;
      const receipt = await commit(
        [prepare([row('a', { note: 'new' })], VERSION + 5), prepare([row('a', { note: 'old' })], VERSION)],
        [],
        true,
      );
      assert.deepEqual([receipt.counts['things']?.inserted, receipt.counts['things']?.unchanged], [1, 1]);
      assert.equal((await session.lookup('things', [{ id: 'a' }]))[0]?.['note'], 'new');
    },
  );

  define(
    'the read that the server answered later wins, in whatever order they come',
    async ({ session, prepare, commit }) => {
      if (!session.capabilities.keys) return;
      await commit([prepare([row('a', { note: 'second' })], VERSION + 10)]);
      const late = await commit([prepare([row('a', { note: 'first' })], VERSION)]);
      assert.equal(late.counts['things']?.updated, 0);
      assert.equal((await session.lookup('things', [{ id: 'a' }]))[0]?.['note'], 'second');
      const third = await commit([prepare([row('a', { note: 'third' })], VERSION + 20)]);
      assert.equal(third.counts['things']?.updated, 1);
      assert.equal((await session.lookup('things', [{ id: 'a' }]))[0]?.['note'], 'third');
    },
  );

  define('a row that does not fit is set aside, and the page goes on', async ({ session, prepare, commit }) => {
    const bad = session.capabilities.keys
      ? [row('b', { created: 'yesterday' }), { created: 1 }, 'no object']
      : ['no object'];
    const receipt = await commit([prepare([row('a'), ...bad, row('z')])]);
    const counts = receipt.counts['things']!;
    assert.deepEqual([counts.read, counts.inserted, counts.quarantined], [2 + bad.length, 2, bad.length]);
    assert.equal(counts.read, counts.inserted + counts.updated + counts.unchanged + counts.quarantined);
  });

  define('a row that fits at a later read leaves the quarantine', async ({ session, prepare, commit }) => {
    if (!session.capabilities.keys) return;
    await commit([prepare([row('a', { created: 'yesterday' }), row('b', { created: 'yesterday' }), { created: 1 }])]);
    assert.equal(await session.quarantined('things'), 3);
    await commit([prepare([row('a', { created: 1 })], VERSION + 1)]);
    assert.equal(await session.quarantined('things'), 2);
    assert.equal(await session.quarantined('others'), 0);
  });

  define('an account begins with what is stored', async ({ session, prepare, commit }) => {
    await commit([prepare([row('a'), 'no object', row('b')])]);
    assert.equal(await session.quarantined('things'), 1);
    assert.equal(await session.beginAccount('things'), 0);
    assert.equal(await session.quarantined('things'), 0);
    const counts = (await session.counts())['things']!;
    assert.deepEqual([counts.read, counts.inserted, counts.quarantined], [2, 2, 0]);
    await commit([prepare([row('c')], VERSION + 1)]);
    assert.equal((await session.counts())['things']!.inserted, (await session.stored('things')).keys);
  });

  define('new fields are stored, and numbers may outgrow their column', async ({ session, prepare, commit }) => {
    if (!session.capabilities.keys) return;
    await commit([prepare([row('a', { fresh: 1 })])]);
    await commit([prepare([row('b', { fresh: 1.5, created: 2n ** 70n }), row('c', { fresh: 'text' })])]);
    const [a, b, c] = await session.lookup('things', [{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
    assert.deepEqual([String(a?.['fresh']), String(b?.['fresh']), c?.['fresh']], ['1', '1.5', 'text']);
    assert.ok(b);
  });

  define(
    'awkward values arrive: NUL, surrogates, escapes, large integers, long and look-alike names',
    async ({ session, prepare, commit }) => {
      if (!session.capabilities.keys) return;
      const long = 'x'.repeat(80);
      const record = row('k', {
        note: 'tab\tline\nback\\slash \u0000 nul \ud800 half',
        nested: { deep: ['\u0000', '\\u0000', '\ud83d\ude00', 9007199254740993n] },
        Note: 'upper',
        [long]: 1,
        [`${long}y`]: 2,
      });
      const receipt = await commit([prepare([record])]);
      assert.equal(receipt.counts['things']?.quarantined, 0);
      const [stored] = await session.lookup('things', [{ id: 'k' }]);
      assert.equal(stored?.['note'], 'tab\tline\nback\\slash \ufffd nul \ufffd half');
      assert.deepEqual([stored?.['Note'], stored?.[long], stored?.[`${long}y`]], ['upper', 1, 2]);
      assert.deepEqual((stored?.['nested'] as { deep: unknown[] } | undefined)?.deep.slice(0, 3), [
        '\ufffd',
        '\\u0000',
        '\ud83d\ude00',
      ]);
    },
  );

  define('deletions become tombstones, and a later read lifts them', async ({ session, prepare, commit }) => {
    if (!session.capabilities.keys) return;
    await commit([prepare([row('a'), row('b')])]);
    const gone = session.prepare({
      stream: 'things',
      records: [],
      page: 'x',
      version: VERSION + 1,
      deleted: [{ id: 'a' }],
    });
    assert.equal((await commit([gone])).counts['things']?.deleted, 1);
    assert.deepEqual(await session.stored('things'), { keys: 2, deleted: 1 });
    await commit([prepare([row('a')], VERSION + 2)]);
    assert.deepEqual(await session.stored('things'), { keys: 2, deleted: 0 });
  });

  define('rows of a scope that are no longer listed become tombstones', async ({ session, prepare, commit }) => {
    if (!session.capabilities.keys) return;
    await commit([prepare([row('a'), row('b'), row('c', { note: 'other' })])]);
    await commit([
      session.prepare({
        stream: 'things',
        records: [row('b')],
        page: 'x',
        version: VERSION + 1,
        scope: { field: 'note', value: 'a' },
      }),
    ]);
    assert.deepEqual(await session.stored('things'), { keys: 3, deleted: 1 });
  });

  define('what a re-read did not see becomes a tombstone', async ({ session, prepare, commit }) => {
    if (!session.capabilities.keys) return;
    await commit([prepare([row('a'), row('b')])]);
    await commit([
      session.prepare({ stream: 'things', records: [row('b')], page: 'x', version: VERSION + 1, remember: 2 }),
    ]);
    assert.equal(await session.forgetUnseen('things', 2, undefined), 1);
    assert.deepEqual(await session.stored('things'), { keys: 2, deleted: 1 });
  });

  define('a row that came is not gone, whatever became of it', async ({ session, prepare, commit }) => {
    if (!session.capabilities.keys) return;
    await commit([prepare([row('a'), row('b'), row('c'), row('d')])]);
    const page = {
      stream: 'things',
      // Once as it fits and once as it does not; and as it does not alone, twice.
      records: [row('a'), row('a', { paid: 1 }), row('b', { created: 'x' }), row('b', { paid: 1 }), { created: 1 }],
      page: 'x',
    };
    const read = await commit([session.prepare({ ...page, version: VERSION + 1, remember: 2 })]);
    assert.equal(read.counts['things']?.quarantined, 4);
    assert.deepEqual((await session.unseen('things', 2, 9)).sample.map(({ id }) => id).toSorted(), ['c', 'd']);
    assert.equal(await session.forgetUnseen('things', 2, undefined), 2);
    assert.deepEqual(await session.stored('things'), { keys: 4, deleted: 2 });
    const scope = { field: 'note', value: 'a' };
    const listed = await commit([session.prepare({ ...page, version: VERSION + 2, scope })]);
    assert.equal(listed.counts['things']?.deleted, 0);
  });

  const keys = [
    'NUL \0 x',
    '\0',
    'half \ud800',
    '\udc00',
    'tab\t',
    'line\n',
    '\\',
    '\\u0000',
    '"',
    "'",
    ' ',
    '',
    '\u0001',
    '1',
    '{}',
  ];
  for (const [what, schema, ids] of [
    ['texts of any kind', SCHEMA, keys],
    ['of no declared type', { properties: { id: {} } }, [...keys, 1_700_000_000_123, 2n ** 60n + 1n, false]],
    ['of several types', { properties: { id: { type: ['string', 'integer'] } } }, [...keys, 7, 2n ** 60n + 1n]],
    ['integers', { properties: { id: { type: 'integer' } } }, [0, -1, 1_700_000_000_123, 2n ** 60n + 1n]],
    ['numbers', { properties: { id: { type: 'number' } } }, [0, -1, 1.5, 1_700_000_000_123, 0.1]],
  ] satisfies [string, JsonSchema, unknown[]][])
    define(
      `keys that are ${what} are recognised`,
      async ({ session, prepare, commit }) => {
        if (!session.capabilities.keys) return;
        const records = ids.map((id) => ({ id, group: 'g', at: 5 }));
        // What two keys have become alike is one row.
        const rows = (await commit([prepare(records)], [], true)).counts['things']!.inserted;
        const again = { stream: 'things', page: 'x', records };
        const { counts } = await commit([session.prepare({ ...again, version: VERSION + 1, remember: 2 })]);
        assert.equal(counts['things']?.quarantined, 0);
        assert.equal((await session.unseen('things', 2, 9)).rows, 0);
        assert.equal(await session.forgetUnseen('things', 2, undefined), 0);
        const listed = session.prepare({ ...again, version: VERSION + 2, scope: { field: 'group', value: 'g' } });
        assert.equal((await commit([listed])).counts['things']?.deleted, 0);
        const within = await session.keysWithin('things', 'at', 5, 6, 100);
        assert.equal(within.length, rows);
        assert.ok((await session.lookup('things', [...records, ...within])).every((found) => found !== null));
        const gone = { ...again, version: VERSION + 3, records: [], deleted: records };
        assert.equal((await commit([session.prepare(gone)])).counts['things']?.deleted, rows);
      },
      'upsert',
      schema,
    );

  define('the rows that were written last are shown, as they are now', async ({ session, prepare, commit }) => {
    if (!session.newest) return;
    assert.deepEqual(await session.newest('things', 5), []);
    const [rest, digits] = [{ nested: { a: [1, null] } }, { note: 'ö\u{1f600}' }];
    await commit([prepare([row('old', rest), row('gone'), row('changed')], VERSION)], [], true);
    await commit([prepare([row('changed', { amount: 7 }), row('new', digits)], VERSION + 1)]);
    const gone = { stream: 'things', page: 'x', records: [], deleted: [{ id: 'gone' }], version: VERSION + 2 };
    await commit([session.prepare(gone)]);
    const ids = async (limit: number) => (await session.newest!('things', limit)).map(({ id }) => id);
    assert.deepEqual((await ids(9)).toSorted(), ['changed', 'new', 'old']);
    assert.equal((await ids(9)).at(-1), 'old');
    assert.ok(!(await ids(2)).includes('old'));
    const rows = new Map((await session.newest('things', 9)).map((each) => [each['id'], each]));
    assert.equal(rows.get('changed')?.['amount'], 7);
    assert.deepEqual(rows.get('old')?.['nested'], rest.nested);
    assert.equal(rows.get('new')?.['note'], digits.note);
  });

  define('whatever is wrong with a row concerns that row alone', async ({ session, prepare, commit }) => {
    const deep = Array.from({ length: 8000 }).reduce<unknown>((inner) => [inner], 1);
    const bad = [
      row('nan', { amount: Number.NaN }),
      row('large', { amount: Number.POSITIVE_INFINITY }),
      row('inner', { nested: { x: [{ y: Number.NEGATIVE_INFINITY, z: null }] } }),
      // A field that was a text before may be written as one.
      row('mixed', { mixed: { x: Number.NaN } }),
      'no object' as unknown as DataRecord, // what an API may send all the same
    ];
    // These a destination may store, or set aside.
    const odd = [
      row('deep', { nested: deep }),
      row(Array.from({ length: 9000 }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7919) % 20_000))).join('')),
    ];
    for (const firstLoad of [true, false]) {
      const { counts } = await commit(
        [
          prepare(
            [row(`a${firstLoad}`, { mixed: 'words' }), ...bad, ...odd, row(`z${firstLoad}`)],
            firstLoad ? VERSION : VERSION + 1,
          ),
        ],
        [],
        firstLoad,
      );
      const { read, inserted, updated, unchanged, quarantined } = counts['things']!;
      assert.equal(read, 2 + bad.length + odd.length);
      assert.equal(inserted + updated + unchanged + quarantined, read);
      assert.ok(quarantined >= bad.length && quarantined <= bad.length + odd.length, `${quarantined} in quarantine`);
    }
    if (!session.capabilities.keys) return;
    const stored = await session.lookup('things', [
      { id: 'atrue' },
      { id: 'zfalse' },
      { id: 'nan' },
      { id: 'inner' },
      { id: 'mixed' },
    ]);
    assert.deepEqual(
      stored.map((found) => found !== null),
      [true, true, false, false, false],
    );
  });

  define('numbers keep every digit, in columns and in what is nested', async ({ session, prepare, commit }) => {
    const exact = parseJson(
      '{"amount":123456789012345678.12,"nested":{"x":[0.1234567890123456789,9007199254740993]},"extra":-0.30000000000000000001}',
    ) as DataRecord;
    await commit([prepare([row('a', exact)])]);
    if (!session.capabilities.keys) return;
    const [found] = await session.lookup('things', [{ id: 'a' }]);
    for (const field of ['amount', 'nested', 'extra'])
      assert.equal(stringifyJson(found![field]).replaceAll(' ', ''), stringifyJson(exact[field]));
  });

  define('names of any kind, and more fields than a table has columns', async ({ session, prepare, commit }) => {
    const odd = [
      'xmin',
      'ctid',
      'tableoid',
      'XMAX',
      'cmin',
      'a"b',
      '',
      ' ',
      'select',
      '_headrace_page',
      'x'.repeat(70),
      '__proto__',
      'constructor',
      'toString',
      'filename',
      'headrace_at',
      'headrace_key',
      'headrace_file',
      '_headrace_day',
    ];
    const fields = Object.fromEntries(odd.map((name) => [name, `value of ${name}`]));
    const wide = Object.fromEntries(
      Array.from({ length: 1700 }, (_, i) => [`field ${i}`, `value ${i}, of some length`]),
    );
    const given = { ...row('a'), ...fields, ...wide };
    const receipt = await commit([prepare([given, row('b')])]);
    assert.equal(receipt.counts['things']?.quarantined, 0);
    const later = await commit([prepare([row('c', { ...wide, later: 1 })], VERSION + 1)]);
    assert.equal(later.counts['things']?.quarantined, 0, 'rows without such fields fit as well');
    if (!session.capabilities.keys) return;
    const [found, other] = await session.lookup('things', [{ id: 'a' }, { id: 'b' }]);
    for (const [field, value] of Object.entries(given))
      if (field !== '_headrace_page') assert.deepEqual(found![field], value, field);
    assert.equal(other!['note'], 'a');
    for (const field of odd)
      assert.ok(!Object.hasOwn(other!, field) || field === '_headrace_page' || other![field] === null, field);
  });

  define('batches commit side by side', async ({ session, prepare, commit }) => {
    const batches = Array.from({ length: 8 }, (_, i) =>
      commit(
        [prepare(Array.from({ length: 50 }, (_unused, k) => row(`${i}-${k}`)))],
        [entry(`range/${i}`, 0, i)],
        i % 2 === 0,
      ),
    );
    await Promise.all(batches);
    assert.equal((await session.stored('things')).keys, 400);
    assert.equal((await session.loadState()).length, 8);
    assert.equal((await session.counts())['things']?.inserted, 400);
  });

  define(
    'mode append keeps every read',
    async ({ session, prepare, commit }) => {
      await commit([prepare([row('a')])]);
      await commit([prepare([row('a')])]);
      assert.equal((await session.stored('things')).keys, 2);
    },
    'append',
  );

  define(
    'mode replace shows nothing before it is published',
    async ({ session, prepare, commit }) => {
      await session.restart('things');
      await commit([prepare([row('a'), row('b')])]);
      assert.equal((await session.stored('things')).keys, 2);
      await session.publish('things');
    },
    'replace',
  );
  return cases;
}
