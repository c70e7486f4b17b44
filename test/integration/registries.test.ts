/** A connector and a destination that are put into a folder are found everywhere, and no other file names one. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { KEY, startHelpDesk } from '../../examples/my-source/help-desk.js';
import { storedConnection } from '../../src/connections/storable.js';
import { resolveConnection } from '../../src/connections/resolve.js';
import { defineDestination, z } from '../../src/destinations/index.js';
import { DESTINATIONS } from '../../src/destinations/registry.js';
import { CONNECTORS } from '../../src/sources/registry.js';
import type { Testbed } from '../../src/testbed/index.js';
import { freshDatabase, headrace, scratch, urlOf } from '../support.js';
import { startService, type TestService } from '../service-support.js';

const ROOT = path.join(import.meta.dirname, '../..');
const SRC = path.join(ROOT, 'src');

const ACME = readFileSync(path.join(ROOT, 'examples/my-source/my-source.ts'), 'utf8')
  .replaceAll('my-source', 'acme')
  .replaceAll('MY_SOURCE', 'ACME');
/** Files of another name, so that a destination needs no hundred lines here. */
const TAPE = `import { defineDestination, z } from 'headrace/destination';
import { ndjsonDestination } from '${path.join(ROOT, 'dist/destinations/ndjson/destination.js')}';
export default defineDestination({
  name: 'tape', title: 'a tape', about: 'Tapes of a test.', paths: ['reel'],
  settings: { reel: z.string().min(1).describe('Folder of the tape.') },
  fromText: (reel) => ({ reel }),
  open: ({ reel }) => ndjsonDestination(reel),
});
`;

function putInto(folder: string): void {
  for (const [name, file, text] of [
    ['headrace-source-acme', 'index.ts', ACME],
    ['headrace-destination-tape', 'index.ts', TAPE],
  ] as const) {
    const at = path.join(folder, 'node_modules', name);
    mkdirSync(at, { recursive: true });
    writeFileSync(
      path.join(at, 'package.json'),
      JSON.stringify({ name, version: '1.0.0', type: 'module', exports: `./${file}` }),
    );
    writeFileSync(path.join(at, file), text);
  }
}

describe('packages that are installed in a folder', () => {
  let work: { folder: string; drop: () => void };
  let desk: Testbed;
  beforeAll(async () => {
    work = scratch();
    putInto(work.folder);
    desk = await startHelpDesk({ tickets: 150 });
  });
  afterAll(async () => {
    await desk.close();
    work.drop();
  });
  const run = (...args: string[]) => headrace(args, { cwd: work.folder, env: { ACME_KEY: KEY, ACME_URL: desk.url } });
  const linesOf = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  test('connectors lists both', async () => {
    expect(linesOf((await run('connectors', '--json')).stdout)).toContainEqual(
      expect.objectContaining({ name: 'acme', kind: 'own' }),
    );
    expect(linesOf((await run('connectors', '--destinations', '--json')).stdout)).toContainEqual(
      expect.objectContaining({ name: 'tape', kind: 'own' }),
    );
  });

  test('init writes them, the file is understood, and a wrong setting is told by its line', async () => {
    const init = await run('init', 'acme', '--yes', '--to', 'tape:reels', '--file', 'made.yaml');
    expect(init.code, init.stderr).toBe(0);
    const file = path.join(work.folder, 'made.yaml');
    expect(parse(readFileSync(file, 'utf8'))).toMatchObject({
      connections: {
        acme: { source: { connector: 'acme', api_key: '${ACME_KEY}' }, destination: { type: 'tape', reel: 'reels' } },
      },
    });
    expect(await run('check', 'acme', '-c', 'made.yaml', '--base-url', desk.url)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('reels'),
    });
    const wrong = path.join(work.folder, 'wrong.yaml');
    writeFileSync(wrong, readFileSync(file, 'utf8').replace('reel: reels', 'reel: reels\n      speed: 9'));
    expect(await run('check', 'acme', '-c', 'wrong.yaml')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/speed[\s\S]*wrong\.yaml:11:7/),
    });
  });

  test('sync reads the one and writes the other, without a file', async () => {
    const ran = await run('sync', 'acme', '--to', 'tape:without');
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/150 +(?:\w+ +)?proven/);
    expect(existsSync(path.join(work.folder, 'without'))).toBe(true);
  });

  test('the reference tells of them', () => {
    const ran = spawnSync(
      process.execPath,
      [path.join(ROOT, 'scripts/reference-docs.mjs'), '--with', work.folder, '--out', path.join(work.folder, 'made')],
      { encoding: 'utf8' },
    );
    expect(ran.stderr).toBe('');
    const text = readFileSync(path.join(work.folder, 'made/docs/reference/configuration.md'), 'utf8');
    for (const part of [
      '### source, connector acme',
      'Key of the help desk',
      '### destination, type tape',
      '`destination.reel`',
    ])
      expect(text).toContain(part);
  });
});

describe('the API', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ worker: false });
    putInto(service.folder);
  });
  afterAll(() => service.close());

  test('lists both with what a form needs', async () => {
    const { items: connectors } = await service.client.listConnectors();
    const { items: destinations } = await service.client.listDestinations();
    expect(connectors.find(({ name }) => name === 'acme')).toMatchObject({
      kind: 'own',
      storable: false,
      secrets: ['api_key'],
      environment: { api_key: 'ACME_KEY' },
      settings: {
        properties: {
          api_key: { title: 'API key', writeOnly: true, description: expect.any(String), 'x-environment': 'ACME_KEY' },
        },
      },
    });
    expect(destinations.find(({ name }) => name === 'tape')).toMatchObject({ kind: 'own', storable: false });
    for (const { name } of CONNECTORS.list())
      expect(connectors.find((each) => each.name === name)?.storable).toBe(true);
    for (const { name } of DESTINATIONS.list())
      expect(destinations.find((each) => each.name === name)?.storable).toBe(true);
    for (const { settings, secrets } of [...connectors, ...destinations])
      for (const [name, property] of Object.entries(
        settings['properties'] as Record<string, Record<string, unknown>>,
      )) {
        expect(property['title'], name).toBeTruthy();
        expect(property['writeOnly'] === true, name).toBe(secrets.includes(name));
      }
  });

  test('never loads code that a connection names', async () => {
    const witness = path.join(service.folder, 'witness');
    const evil = path.join(service.folder, 'evil.ts');
    writeFileSync(
      evil,
      `import { writeFileSync } from 'node:fs';\nwriteFileSync(${JSON.stringify(witness)}, '');\nexport default {};`,
    );
    const sources = [evil, './evil.ts', '../evil.ts', 'acme', 'headrace-source-acme', `file://${evil}`];
    for (const connector of sources)
      for (const call of ['createConnection', 'testSettings'] as const)
        await expect(
          service.client[call]({
            id: 'evil',
            source: { connector, api_key: KEY },
            destination: { type: 'embedded' },
          } as never),
          connector,
        ).rejects.toMatchObject({ code: 'unknown_connector' });
    for (const type of [evil, './evil.ts', 'tape'])
      await expect(
        service.client.createConnection({
          id: 'evil',
          source: { connector: 'stripe', api_key: 'sk_test_abcdefgh' },
          destination: { type, reel: 'x' },
        } as never),
      ).rejects.toThrow();
    expect(existsSync(witness)).toBe(false);
  });
});

test('a server is asked by its URL, and only read from unless said', async () => {
  const database = await freshDatabase();
  try {
    const ask = (...args: string[]) => headrace(['query', ...args, '--json', '--to', urlOf(database.target)]);
    expect((await ask('create table t as select 7 as n')).code).toBe(2);
    expect((await ask('create table t as select 7 as n', '--write')).code).toBe(0);
    expect((await ask('select 1; select n from t')).stdout.trim()).toBe('{"n":7}');
    const empty = scratch();
    const refused = await headrace(['query', 'select 1', '--data-dir', empty.folder]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no embedded database here') });
    expect(readdirSync(empty.folder)).toEqual([]);
    empty.drop();
  } finally {
    await database.drop();
  }
});

describe('places on the machine', () => {
  const settings = (destination: Record<string, unknown>) =>
    ({ source: { connector: 'stripe', api_key: 'sk_test_abcdefgh' }, destination }) as never;
  const kinds = DESTINATIONS.list().flatMap(({ name, paths }) => paths.map((setting) => ({ name, setting })));

  test.each(kinds)('$name: $setting is kept below the data folder', ({ name, setting }) => {
    const at = (value: unknown) =>
      storedConnection(
        'x',
        settings({ type: name, mode: 'upsert', [setting]: value }),
        undefined,
        { dataDir: '/data' },
        {},
      ).destination[setting];
    expect(at('exports/acme')).toBe(path.join('/data', 'files', 'exports/acme'));
    for (const value of ['/etc', '../x', 'a/../../x', 'a//b', '.', '~', 'a\u0000b', 'C:\\x', '', 7, ['a']])
      expect(() => at(value), String(value)).toThrow(expect.objectContaining({ code: 'not_storable' }));
  });

  test('a kind that does not declare its paths is refused', () => {
    for (const setting of ['path', 'folder', 'out_dir', 'log_file'])
      expect(() =>
        DESTINATIONS.add(
          defineDestination({
            name: 'leaky',
            paths: [],
            settings: { [setting]: z.string() },
            open: () => null as never,
          }),
        ),
      ).toThrow(expect.objectContaining({ code: 'destination_failed', found: expect.stringContaining(setting) }));
    expect(DESTINATIONS.find('leaky')).toBeUndefined();
  });

  test('a file may name any folder', async () => {
    const { destination } = await resolveConnection(
      'stripe',
      { to: 'ndjson:/anywhere/at/all', config: undefined, dataDir: '/data' },
      { STRIPE_API_KEY: 'sk_test_abcdefgh' },
    );
    expect(destination).toMatchObject({ path: '/anywhere/at/all' });
  });
});

/** Files that speak of a vendor or a format for a reason of their own. */
const ABOUT: Record<string, string> = {
  'cli/commands/demo.ts': 'runs the simulated Stripe',
  'cli/program/start.ts': 'says so in the help',
  'cli/program/machine.ts': 'names a model of limits as an example',
  'http/dialects/vendors.ts': 'how vendors tell of their limits',
};

test('no other file names a connector or a destination', () => {
  const names = [...CONNECTORS.list(), ...DESTINATIONS.list()].map(({ name }) => name);
  // `manifest` is a kind of connector as well, and a word of its own.
  const words = names.filter((name) => name !== 'manifest');
  const named = [
    new RegExp(`['"\`](?:${words.join('|')})['"\`]`),
    new RegExp(`\\b(?:${words.join('|')}):(?:[A-Z]|//)`),
    /(?:connector|source|name)['"\]]*\s*(?:===|!==|==)\s*['"]manifest['"]/,
    /stripe/i,
  ];
  const isComment = (line: string) => /^\s*(?:\/\*\*|\*|\/\/|\{\/\*)/.test(line);
  const faults = readdirSync(SRC, { recursive: true })
    .map(String)
    .filter((file) => /\.tsx?$/.test(file) && !/\.test\.tsx?$/.test(file))
    .filter(
      (file) =>
        !/^(sources|destinations)\/(registry\.ts|[^/]+\/)|^(testbed|postgres|duckdb|service\/client)\//.test(file),
    )
    .filter((file) => !Object.hasOwn(ABOUT, file))
    .flatMap((file) =>
      readFileSync(path.join(SRC, file), 'utf8')
        .split('\n')
        .flatMap((line, n) =>
          !isComment(line) && named.some((each) => each.test(line)) ? [`${file}:${n + 1}: ${line.trim()}`] : [],
        ),
    );
  expect(faults).toEqual([]);
});
