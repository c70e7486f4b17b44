/** A command needs the secrets of what it uses, and no others: neither the API's key where the API is not asked. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../src/config/load.js';
import { assertWhole, knownConnections } from '../../src/wiring/compose-scheduler.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { headrace, scratch } from '../support.js';

const KEY = { STRIPE_API_KEY: TESTBED_LIVE_KEY };
const { folder, drop } = scratch();
const file = path.join(folder, 'headrace.yaml');
let testbed: StripeTestbed;

/** Without a secret of the environment that runs the tests. */
const run = (args: string[], env: Record<string, string> = {}) =>
  headrace(args, { cwd: folder, env: { DATABASE_URL: '', ...env } });

/** Two whose API has a key; a third whose every part needs a variable that nobody sets, as do alerts and webhooks. */
const yaml = (url: string) => `
alerts: [{ url: "\${UNSET_SLACK}" }]
connections:
  files:
    webhook_secret: \${UNSET_SIGNING}
    source: { connector: stripe, api_key: "\${STRIPE_API_KEY}", base_url: "${url}", streams: [products] }
    destination: { type: duckdb, path: rows.duckdb }
  lines:
    source: { connector: stripe, api_key: "\${STRIPE_API_KEY}", base_url: "${url}", streams: [products] }
    destination: { type: parquet, path: parquet }
  other:
    source: { connector: stripe, api_key: "\${UNSET_KEY}" }
    destination: { type: postgres, url: "\${UNSET_URL}" }
`;

beforeAll(async () => {
  testbed = await startStripeTestbed({ rows: 300, limit: '500/s,endpoint=500/s' });
  writeFileSync(file, yaml(testbed.url));
  for (const name of ['files', 'lines']) expect((await run(['sync', name, '--quiet'], KEY)).code).toBe(0);
});
afterAll(async () => {
  await testbed?.close();
  drop();
});

test('what asks no API needs no key', async () => {
  const asked = testbed.stats().requests;
  const exported = await run(['state', 'export', 'files']);
  expect(JSON.parse(exported.stdout)).toMatchObject({ connection: 'files' });
  writeFileSync(path.join(folder, 'state.json'), exported.stdout);
  const cases: [string[], RegExp][] = [
    [['state', 'show', 'files'], /^products +yes/m],
    [['state', 'import', 'state.json', 'files'], /entries imported/],
    [['verify', 'files'], /^products .* proven/m],

    [['schema', 'files', '--format', 'dbt'], /name: products/],
    [['schema', 'stripe', '--format', 'mermaid'], /"charges"/],
    [['compact', 'lines'], /^products/m],
    [['query', 'select count(*) as n from files.products', '--to', 'duckdb:rows.duckdb'], /1 row/],
    [['state', 'reset', 'files', '--stream', 'products'], /read again from the start/],
    [['state', 'show', 'stripe', '--to', 'duckdb:rows.duckdb'], /^stream +complete/m],
  ];
  for (const [args, says] of cases) {
    const { code, stdout, stderr } = await run(args);
    expect(`${stdout}${stderr}`, args.join(' ')).toMatch(says);
    expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
  }
  expect(testbed.stats().requests).toBe(asked);
});

test('what asks the API names the variable and its line, and a stand-in is sent nowhere', async () => {
  const asked = testbed.stats().requests;
  const asking = [['sync'], ['check'], ['plan'], ['discover'], ['limits'], ['verify', '--api']];
  const answers = asking.map(([command, ...flags]) => run([command!, 'files', ...flags]));
  for (const { code, stderr } of await Promise.all(answers)) {
    expect(stderr).toMatch(
      /STRIPE_API_KEY is not set\n {2}at: \S*headrace\.yaml:6:\d+ \(connections\.files\.source\.api_key\)[\s\S]*export STRIPE_API_KEY/,
    );
    expect(code).toBe(2);
  }
  for (const args of [
    ['state', 'show', 'other'],
    ['sync', 'other'],
  ])
    expect((await run(args, KEY)).code).toBe(2);
  // With its own key a connection runs, whatever others lack.
  expect((await run(['check', 'lines'], KEY)).code).toBe(0);
  expect(testbed.stats().requests - asked).toBe(1);
});

test('a service runs the connections that have theirs, tells of the others, and wants those of its own settings', async () => {
  const loaded = readConfig(file, { ...KEY });
  const faults = new Map<string, string | undefined>();
  const known = await knownConnections(loaded, { config: file }, { ...KEY }, (name, error) =>
    faults.set(name, error.place),
  );
  expect(known.map(({ id }) => id)).toEqual(['lines']);
  expect([...faults]).toEqual([
    ['files', expect.stringMatching(/:5:\d+ \(connections\.files\.webhook_secret\)/)],
    ['other', expect.stringMatching(/:12:\d+ \(connections\.other\.source\.api_key\)/)],
  ]);
  expect(() => assertWhole(loaded)).toThrow(/UNSET_SLACK is not set/);
  const { code, stderr } = await run(['serve', '--port', '0'], KEY);
  expect(stderr).toMatch(/UNSET_SLACK is not set\n {2}at: .*headrace\.yaml:2:/);
  expect(code).toBe(2);
});

test('a setting that is left out for its variable never gives way to a default', async () => {
  writeFileSync(
    path.join(folder, 'shared.yaml'),
    'database: ${UNSET_DATABASE}\ndata_dir: ${UNSET_FOLDER}\nconnections: {}\n',
  );
  for (const args of [['task', 'list'], ['report'], ['token', 'list']]) {
    const { code, stderr } = await run([...args, '--config', 'shared.yaml']);
    expect(stderr, args.join(' ')).toMatch(/UNSET_(DATABASE|FOLDER) is not set/);
    expect(code).toBe(2);
  }
});
