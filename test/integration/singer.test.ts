/** headrace singer: what a target is told, and that a run which is cut anywhere goes on where the target stands. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SingerStream } from '../../src/destinations/singer/messages.js';
import {
  startStripeTestbed,
  startTestbed,
  TESTBED_LIVE_KEY,
  type StripeTestbed,
  type Testbed,
} from '../../src/testbed/index.js';
import { SingerTarget } from '../singer-target.js';
import { connect } from '../../src/postgres/connect.js';
import { freshDatabase, headrace, MAIN, scratch } from '../support.js';

let work: { folder: string; drop: () => void };
let opened: { close(): Promise<void> }[] = [];
beforeEach(() => {
  work = scratch();
});
afterEach(async () => {
  for (const each of opened) await each.close();
  opened = [];
  work.drop();
});

function file(name: string, value: unknown): string {
  const place = path.join(work.folder, name);
  writeFileSync(place, JSON.stringify(value));
  return place;
}

async function stripe(options: Parameters<typeof startStripeTestbed>[0]): Promise<StripeTestbed> {
  const testbed = await startStripeTestbed(options);
  opened.push(testbed);
  return testbed;
}

const stripeConfig = (testbed: StripeTestbed, more: Record<string, unknown> = {}) =>
  file('config.json', { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: testbed.url, ...more });

const STATE_FILE = 'state.json';
const tap = (...args: string[]) => headrace(['singer', ...args], { cwd: work.folder });

describe('a Stripe account', () => {
  test('is read by a strict target: every row once, its schema first, and the next run reads what changed', async () => {
    const testbed = await stripe({ rows: 500 });
    const config = stripeConfig(testbed, {
      streams: ['customers', 'subscriptions', 'subscription_items'],
      rate_limit: { global: 2000, endpoint: 2000 },
    });
    const target = new SingerTarget();
    const first = await tap('--config', config);
    expect(first.code, first.stderr).toBe(0);
    target.take(first.stdout);
    expect(target.rowsOf('customers')).toHaveLength(500);
    expect(target.activated).toContain('customers');
    const items = target.rowsOf('subscription_items').length;
    expect(items).toBeGreaterThan(0);

    const requests = testbed.stats().requests;
    const again = await tap('--config', config, '--state', file(STATE_FILE, target.state));
    expect(again.code, again.stderr).toBe(0);
    target.activated = [];
    target.take(again.stdout);
    expect(target.rowsOf('customers')).toHaveLength(500);
    expect(target.rowsOf('subscription_items')).toHaveLength(items);
    expect(target.activated).toEqual([]);
    expect(testbed.stats().requests - requests).toBeLessThan(requests);
  });

  test('is resumed from the last state that the target took, after kills at any place', async () => {
    const testbed = await stripe({ rows: 2000, latency: { medianMs: 20 }, limit: '40/s' });
    const config = stripeConfig(testbed, { streams: ['customers'] });
    const target = new SingerTarget();
    let kills = 0;
    for (let run = 0; run < 10; run++) {
      const from = target.state && file(STATE_FILE, target.state);
      const states = (run % 3) + 2;
      const ran = await headrace(['singer', '--config', config, ...(from ? ['--state', from] : [])], {
        cwd: work.folder,
        signal: { name: 'SIGKILL', when: (text) => kills < 4 && text.split('"type":"STATE"').length > states },
      });
      target.take(ran.stdout);
      if (ran.code === 0) break;
      kills++;
    }
    expect(kills).toBeGreaterThan(0);
    expect(target.rowsOf('customers')).toHaveLength(2000);
    expect(new Set(target.rowsOf('customers').map(({ id }) => id)).size).toBe(2000);
    // What was read before the last state was not read again: each run asks for little more than the rest.
    expect(testbed.stats().requests).toBeLessThan(20 + 20 * kills + 60);
  });

  test('SIGTERM pauses with exit code 75 and a state to go on from', async () => {
    const testbed = await stripe({ rows: 3000, latency: { medianMs: 50 }, limit: '20/s' });
    const config = stripeConfig(testbed, { streams: ['customers'] });
    const target = new SingerTarget();
    const ran = await headrace(['singer', '--config', config], {
      cwd: work.folder,
      signal: { name: 'SIGTERM', when: (text) => text.includes('"type":"RECORD"') },
    });
    expect(ran.code, ran.stderr).toBe(75);
    target.take(ran.stdout);
    expect(target.rowsOf('customers').length).toBeGreaterThan(0);
    expect(target.activated).toEqual([]);
    expect(Object.keys(target.state!.bookmarks['customers']!.entries).length).toBeGreaterThan(0);
  });

  test('--discover prints a catalog; what it chooses is read, and nothing else', async () => {
    const testbed = await stripe({ rows: 50 });
    const config = stripeConfig(testbed);
    const discovered = await tap('stripe', '--config', config, '--discover');
    expect(discovered.code, discovered.stderr).toBe(0);
    const { streams } = JSON.parse(discovered.stdout) as { streams: SingerStream[] };
    const customers = streams.find(({ tap_stream_id }) => tap_stream_id === 'customers')!;
    expect(customers.key_properties).toEqual(['id']);
    expect(customers.metadata).toContainEqual({
      breadcrumb: ['properties', 'id'],
      metadata: { inclusion: 'automatic', 'selected-by-default': true },
    });
    for (const { tap_stream_id, metadata } of streams)
      metadata[0]!.metadata['selected'] = tap_stream_id === 'customers';
    for (const part of customers.metadata)
      if (part.breadcrumb[1] === 'email' || part.breadcrumb[1] === 'id') part.metadata['selected'] = false;
    const ran = await tap('--config', config, '--catalog', file('catalog.json', { streams }));
    expect(ran.code, ran.stderr).toBe(0);
    const target = new SingerTarget();
    target.take(ran.stdout);
    expect([...target.tables.keys()]).toEqual(['customers']);
    expect(target.rowsOf('customers')).toHaveLength(50);
    expect(target.rowsOf('customers').every((row) => 'id' in row && !('email' in row))).toBe(true);
    expect(target.tables.get('customers')!.properties).not.toHaveProperty('email');
  });
});

/** A list without filters: it is read again by each run. */
async function list(rows: unknown[]): Promise<{ config: string; manifest: string; testbed: Testbed; rows: unknown[] }> {
  const served = [...rows];
  const testbed = await startTestbed(
    { endpointOf: () => 'things', answer: () => ({ status: 200, body: JSON.stringify({ things: served }) }) },
    {},
  );
  opened.push(testbed);
  const manifest = path.join(work.folder, 'manifest.yaml');
  writeFileSync(
    manifest,
    `
version: 6.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [things] }
spec: { type: Spec, connection_specification: { type: object, properties: {} } }
streams:
  - type: DeclarativeStream
    name: things
    primary_key: [id]
    schema_loader:
      type: InlineSchemaLoader
      schema:
        type: object
        required: [id, made]
        additionalProperties: false
        properties: { id: { type: integer }, made: { type: string, format: date-time }, size: { type: integer } }
    retriever:
      type: SimpleRetriever
      requester: { type: HttpRequester, url_base: "${testbed.url}", path: /things, http_method: GET }
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [things] } }
`,
  );
  return { config: file('empty.json', {}), manifest, testbed, rows: served };
}

describe('rows that the schema does not tell of', () => {
  test('are handed over whole: the schema is widened before them', async () => {
    const { config, manifest } = await list([
      { id: 1, made: '2026-01-01T00:00:00Z', size: 3 },
      { id: 2, made: 'last week', size: 'large', extra: { deep: [1, 'two', null] } },
      { id: 3, size: 2.5 },
      { id: 'four', made: null },
      { id: 12345678901234567890n.toString(), made: '2026-01-01 00:00', size: null, extra: 'text' },
    ]);
    const ran = await tap('--manifest', manifest, '--config', config);
    expect(ran.code, ran.stderr).toBe(0);
    const target = new SingerTarget();
    target.take(ran.stdout);
    expect(target.rowsOf('things').map(({ id }) => id)).toEqual([1, 2, 3, 'four', '12345678901234567890']);
    expect(target.rowsOf('things')[1]).toMatchObject({ made: 'last week', extra: { deep: [1, 'two', null] } });
  });

  test('whose target ends are not handed over, and that is said', async () => {
    const { config, manifest } = await list(Array.from({ length: 400 }, (_, id) => ({ id, text: 'x'.repeat(1_000) })));
    const piped = `'${process.execPath}' '${MAIN}' singer --manifest '${manifest}' --config '${config}'`;
    const { status, stderr } = await new Promise<{ status: number | null; stderr: string }>((resolve) => {
      const child = spawn('bash', ['-c', `set -o pipefail; ${piped} | head -c 1`], {
        env: { ...process.env, NO_COLOR: '1' },
      });
      let stderr = '';
      child.stdout.resume();
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.once('close', (code) => resolve({ status: code, stderr }));
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/the target ended before everything was handed over/);
    expect(stderr).not.toMatch(/EPIPE|unexpected/);
  });

  test('or have no key are left out and said, and stop no other', async () => {
    const { config, manifest } = await list([{ id: 1 }, { made: 'x' }, { id: 2 }]);
    const ran = await tap('--manifest', manifest, '--config', config);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(/things …: a row is left out: its key id is missing/);
    const target = new SingerTarget();
    target.take(ran.stdout);
    expect(target.rowsOf('things').map(({ id }) => id)).toEqual([1, 2]);
  });
});

describe('a list that is read again', () => {
  const rows = (count: number) => Array.from({ length: count }, (_, at) => ({ id: at + 1 }));

  test('takes the place of the former reading; rows that are gone leave the target', async () => {
    const served = await list(rows(100));
    const target = new SingerTarget();
    target.take((await tap('--manifest', served.manifest, '--config', served.config)).stdout);
    served.rows.splice(10, 5);
    const again = await tap(
      '--manifest',
      served.manifest,
      '--config',
      served.config,
      '--state',
      file(STATE_FILE, target.state),
    );
    target.take(again.stdout);
    expect(target.rowsOf('things')).toHaveLength(95);
    expect(target.activated).toEqual(['things', 'things']);
  });

  test('that collapses is not believed at once: a second reading that agrees, or the user, is', async () => {
    const served = await list(rows(100));
    const target = new SingerTarget();
    const run = async (...more: string[]) => {
      const state = target.state ? ['--state', file(STATE_FILE, target.state)] : [];
      const ran = await tap('--manifest', served.manifest, '--config', served.config, ...state, ...more);
      target.take(ran.stdout);
      return ran;
    };
    await run();
    served.rows.splice(0, 50);
    expect((await run()).stderr).toContain('50 of 100 rows did not come again');
    expect(target.rowsOf('things')).toHaveLength(100);
    await run();
    expect(target.rowsOf('things')).toHaveLength(50);
    served.rows.splice(0, 40);
    await run('--accept-deletions', 'things');
    expect(target.rowsOf('things')).toHaveLength(10);
  });
});

describe('what is wrong is named', () => {
  test.each([
    ['state', '[1]', /state\.json[\s\S]*bookmarks/],
    ['state', '{"bookmarks": {"customers": {"id": 5}}}', /bookmarks\.customers[\s\S]*headrace singer/],
    ['state', '{', /--state cannot be read/],
    ['catalog', '{}', /the catalog has no streams/],
    [
      'catalog',
      '{"streams": [{"tap_stream_id": "customer", "metadata": [{"breadcrumb": [], "metadata": {"selected": true}}]}]}',
      /customers/,
    ],
    ['catalog', '{"streams": []}', /chooses no stream/],
  ])('%s %s', async (flag, text, expected) => {
    const testbed = await stripe({ rows: 1 });
    const place = path.join(work.folder, `${flag}.json`);
    writeFileSync(place, text);
    const ran = await tap('--config', stripeConfig(testbed), `--${flag}`, place);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toBe('');
    expect(ran.stderr).toMatch(expected);
    expect(ran.stderr).not.toMatch(/ {4}at /);
  });

  test('no connector', async () => {
    const ran = await tap('--config', file('config.json', { api_key: 'x' }));
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/which connector/);
  });
});

/** Folders with targets from PyPI, each in an environment of its own: `python -m venv DIR && DIR/bin/pip install …`. */
const TARGETS = process.env['HEADRACE_SINGER_TARGETS'];
const targetNamed = (name: string) =>
  (TARGETS ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'bin', name))
    .find((place) => existsSync(place));

function feed(target: string, config: unknown, input: string): { bookmarks: Record<string, unknown> } {
  const ran = spawnSync(target, ['--config', file('target.json', config)], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    cwd: work.folder,
  });
  expect(ran.status, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout.trim().split('\n').at(-1)!) as { bookmarks: Record<string, unknown> };
}

describe.skipIf(!TARGETS)('targets from PyPI (skipped unless HEADRACE_SINGER_TARGETS names their folders)', () => {
  test('target-jsonl holds every row, and hands the state back', async () => {
    const testbed = await stripe({ rows: 200 });
    const ran = await tap('--config', stripeConfig(testbed, { streams: ['customers', 'invoices'] }));
    expect(ran.code, ran.stderr).toBe(0);
    const config = { destination_path: work.folder, do_timestamp_file: false };
    const state = feed(targetNamed('target-jsonl')!, config, ran.stdout);
    const written = readFileSync(path.join(work.folder, 'customers.jsonl'), 'utf8').trim().split('\n');
    expect(new Set(written.map((line) => (JSON.parse(line) as { id: string }).id)).size).toBe(200);
    expect(existsSync(path.join(work.folder, 'invoices.jsonl'))).toBe(true);
    expect(state).toHaveProperty('bookmarks.customers.entries');
  });

  test('target-postgres holds every row of a list, its odd values too, and drops what is gone', async () => {
    const served = await list([
      ...Array.from({ length: 300 }, (_, at) => ({ id: at + 1, made: '2026-01-01T00:00:00Z', size: at })),
      { id: 301, size: 2.5, extra: { deep: [1, 'two', null] } },
    ]);
    const database = await freshDatabase();
    try {
      const { user, password, host, port, database: dbname } = new pg.Client(database.target.options);
      const config = {
        user,
        password: password ?? 'none',
        host: 'localhost',
        port,
        database: dbname,
        default_target_schema: 'landed',
        activate_version: true,
        hard_delete: true,
        // A server that listens on a socket alone is found by its folder.
        sqlalchemy_url: `postgresql+psycopg://${user}:${encodeURIComponent(password ?? '')}@/${dbname}?host=${encodeURIComponent(host)}&port=${port}`,
      };
      const rows = async () => {
        const client = await connect(database.target, 'test');
        const found = await client.query('select count(*)::int as n, max(size)::text as size from landed.things');
        await client.end();
        return found.rows[0] as { n: number; size: string };
      };
      const first = await tap('--manifest', served.manifest, '--config', served.config);
      const state = feed(targetNamed('target-postgres')!, config, first.stdout);
      expect(await rows()).toMatchObject({ n: 301 });
      served.rows.splice(0, 5);
      const again = ['--manifest', served.manifest, '--config', served.config, '--state', file(STATE_FILE, state)];
      feed(targetNamed('target-postgres')!, config, (await tap(...again)).stdout);
      expect(await rows()).toMatchObject({ n: 296 });
    } finally {
      await database.drop();
    }
  });
});
