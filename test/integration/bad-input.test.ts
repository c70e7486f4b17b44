/** Bad input of every kind: place, expectation, finding, next step and exit code; nothing half-written. */
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, test as base } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { headrace, MAIN, scratch } from '../support.js';

const KEY = { STRIPE_API_KEY: TESTBED_LIVE_KEY };
let testbed: StripeTestbed;
const servers: Server[] = [];
beforeAll(async () => {
  testbed = await startStripeTestbed({ rows: 300, limit: '500/s,endpoint=500/s' });
});
afterAll(async () => {
  for (const server of servers) server.close();
  await testbed?.close();
});
async function listening(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A folder of its own for each test, which go side by side: a file in it, and the program run there. */
interface Own {
  folder: string;
  yaml: (text: string) => void;
  run: (...args: string[]) => ReturnType<typeof headrace>;
}

const test = base.extend<{ own: Own }>({
  // oxlint-disable-next-line no-empty-pattern -- Vitest reads what a fixture needs from its first parameter.
  own: async ({}, use) => {
    const { folder, drop } = scratch();
    await use({
      folder,
      yaml: (text) => writeFileSync(path.join(folder, 'headrace.yaml'), text),
      run: (...args) => headrace(args, { cwd: folder, env: KEY }),
    });
    drop();
  },
});

const connection = (source = '', more = '') =>
  `connections:\n  acme:\n    source: {connector: stripe, api_key: "\${STRIPE_API_KEY}", base_url: "${testbed.url}"${source}}\n${more}`;

describe.concurrent('flags, settings and names', () => {
  test.for<[what: string, file: string | undefined, args: string[], says: (string | RegExp)[]]>([
    [
      'a share above all of it',
      '',
      ['sync', 'acme', '--share', '500%'],
      ['--share is wrong', 'at: --share', '1% to 100%', '500%'],
    ],
    ['a share that is no number', '', ['sync', 'acme', '--share', 'half'], ['--share is wrong', '1% to 100%']],
    ['a rate below 0', '', ['sync', 'acme', '--max-rate', '-5'], ['--max-rate', '-5', 'above 0']],
    ['a rate that is no number', '', ['sync', 'acme', '--max-endpoint-rate', 'x'], ['--max-endpoint-rate', 'above 0']],
    ['a rate past the bound', '', ['sync', 'acme', '--max-rate', '1e9'], ['--max-rate', '100000']],
    [
      'a fraction of a request',
      '',
      ['sync', 'acme', '--max-concurrency', '1.5'],
      ['--max-concurrency', 'whole number'],
    ],
    ['nothing at once', '', ['sync', 'acme', '--max-concurrency', '0'], ['--max-concurrency is wrong', 'at least 1']],
    [
      'a flag for a date',
      '',
      ['sync', 'acme', '--start-date', '2024-13-01'],
      ['--start-date is wrong', 'such as 2024-05-31'],
    ],
    [
      'a flag for an address',
      '',
      ['check', 'acme', '--base-url', 'nowhere'],
      ['--base-url is wrong', 'such as https://'],
    ],
    [
      'a flag for an address, of a kind that is not asked',
      '',
      ['check', 'acme', '--base-url', 'ftp://nowhere'],
      ['--base-url is wrong', 'such as https://'],
    ],
    ['an empty folder', '', ['sync', 'acme', '--data-dir', ''], ['--data-dir has no value', '<folder>']],
    ['an empty destination', '', ['sync', 'acme', '--to', ''], ['--to has no value', '<destination>']],
    ['an empty database', '', ['task', 'list', '--database', ''], ['--database has no value', '<url>']],
    ['a token without a name', '', ['token', 'create', ' ', '--role', 'read'], ['has no name', 'at: NAME']],
    ['a schema of PostgreSQL', '', ['sync', 'acme', '--schema', '_headrace'], ['--schema is wrong', 'not reserved']],
    [
      'a wrong date',
      ', start_date: "2024-02-30"',
      ['check'],
      ['start_date', 'headrace.yaml:3', 'such as 2024-05-31', '2024-02-30'],
    ],
    ['a stream', ', streams: [custmers]', ['check'], ['did you mean customers?']],
    [
      'a stream of a flag',
      '',
      ['sync', 'acme', '--streams', 'custmers'],
      ['--streams is wrong', 'did you mean customers?'],
    ],
    ['a setting', ', max_rte: 5', ['check'], ['unknown setting max_rte', 'did you mean max_rate?']],
    ['a connection', '', ['sync', 'acm'], ['there is no connection acm', 'did you mean acme?']],
    ['a connector as a connection', '', ['sync', 'strip'], ['did you mean stripe?']],
  ])('%s', async ([, more, args, says], { own: { folder, yaml, run } }) => {
    yaml(connection(more));
    const { code, stderr } = await run(...args);
    for (const part of says)
      expect(stderr).toMatch(
        typeof part === 'string' ? new RegExp(part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')) : part,
      );
    expect(stderr).not.toMatch(/Invalid|\bat .*\.js:\d+/);
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual(['headrace.yaml']);
  });

  test.for<[what: string, file: string, args: string[], says: string[]]>([
    [
      'a top-level name',
      'conections:\n  a: {source: {connector: stripe}}\n',
      ['check'],
      ['unknown setting conections', 'did you mean connections?'],
    ],
    [
      'a connector',
      'connections:\n  a: {source: {connector: strpe}}\n',
      ['check'],
      ['unknown connector strpe', 'did you mean stripe?', 'headrace.yaml:2'],
    ],
    [
      'a kind of destination',
      'connections:\n  a: {source: {connector: stripe, api_key: sk_test_x}, destination: {type: postgre}}\n',
      ['check'],
      ['did you mean postgres?'],
    ],
    [
      'a setting of a destination',
      'connections:\n  a: {source: {connector: stripe, api_key: sk_test_x}, destination: {type: ndjson, pth: x}}\n',
      ['check'],
      ['unknown setting pth', 'did you mean path?'],
    ],
  ])('a typo in %s', async ([, file, args, says], { own: { yaml, run } }) => {
    yaml(file);
    const { code, stderr } = await run(...args);
    for (const part of says) expect(stderr).toContain(part);
    expect(code).toBe(2);
  });

  const GOOD = 'connections:\n  acme:\n    source: &shop {connector: stripe, api_key: "${STRIPE_API_KEY}"}\n';
  test.for<[what: string, file: string | Buffer, says: string[]]>([
    ['nothing in it', '', ['is no configuration', 'at: headrace.yaml', 'found: nothing']],
    ['blanks alone', ' \n\n\t\n', ['is no configuration', 'found: nothing']],
    ['a program', Buffer.from('\u007fELF\u0000\u0001\u0002'), ['is no configuration', 'UTF-8', 'no text']],
    ['UTF-16', Buffer.from('\ufeffconnections: {}', 'utf16le'), ['is no configuration', 'UTF-8']],
    ['Latin-1', Buffer.from('connections: {} # \u00fc', 'latin1'), ['is no configuration', 'UTF-8']],
    ['an alias of nothing', 'connections: *nope\n', ['not valid YAML', 'nope']],
    ['a tag of Python', 'connections: !!python/object:os.system {}\n', ['not valid YAML', 'headrace.yaml:1:14', 'tag']],
    ['a tag of nobody', 'connections: !include other.yaml\n', ['not valid YAML', 'headrace.yaml:1:14', '!include']],
    ['two documents', `${GOOD}---\n${GOOD}`, ['not valid YAML', 'headrace.yaml:4:1', 'a second document']],
    ['values inside values', `connections: ${'['.repeat(5000)}`, ['not valid YAML', 'too deep']],
    ['a name that objects have', 'connections:\n  __proto__: {source: {connector: stripe}}\n', ['__proto__']],
    ['a name twice', `${GOOD}  acme: {}\n`, ['not valid YAML', 'headrace.yaml:4:3', 'found: acme twice']],
    [
      'an interval without a unit',
      `${GOOD}    schedule: {every: 15}\n`,
      ['schedule.every', 'such as 15m', 'found: 15'],
    ],
    [
      'a time zone that is none',
      `${GOOD}    schedule: {cron: "0 9 * * *", time_zone: Mars/Base}\n`,
      ['time zone', 'Mars/Base', 'Europe/Berlin'],
    ],
    ['a list of connections', `connections:\n  - acme\n`, ['setting connections is wrong', 'an object', 'a list of 1']],
    ['no name', `connections:\n  "": {source: {connector: stripe}}\n`, ['found: ""']],
  ])('a file with %s', async ([, file, says], { own: { folder, run } }) => {
    writeFileSync(path.join(folder, 'headrace.yaml'), file);
    const { code, stderr } = await run('check');
    for (const part of [...says, '  at: ', '  expected: ', '  found: ', '  next: ']) expect(stderr).toContain(part);
    expect(stderr).not.toMatch(/unexpected error|parseAllDocuments|call stack|\bat .*\.js:\d+/);
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual(['headrace.yaml']);
  });

  test('a file that marks its byte order, and settings that are merged', async ({ own: { yaml, run } }) => {
    yaml(
      `\ufeff${connection().replace('source: ', 'source: &shop ')}  other:\n    source: {<<: *shop, max_rate: 50}\n`,
    );
    expect(await run('check', 'other')).toMatchObject({ code: 0, stdout: expect.stringContaining('the key works') });
  });

  test.for<[what: string, args: string[], says: string[]]>([
    ['a port of a testbed', ['testbed', 'stripe', '--port', '99999'], ['--port', '0 to 65535']],
    ['a port of a service', ['serve', '--port', '65536'], ['--port', '0 to 65535']],
    ['a collection', ['testbed', 'stripe', '--port', '0', '--collection', 'custmers=3'], ['did you mean customers?']],
    ['a day of expiry', ['token', 'create', 'x', '--role', 'read', '--expires-in', '0'], ['--expires-in', '1 to 3650']],
    [
      'an expiry past all dates',
      ['token', 'create', 'x', '--role', 'read', '--expires-in', '999999999'],
      ['--expires-in', '1 to 3650'],
    ],
    ['a file of metrics in no folder', ['sync', 'stripe', '--metrics', 'no/where'], ['cannot be written', 'no/where']],
    ['a folder for metrics', ['sync', 'stripe', '--metrics', '.'], ['cannot be written', 'at: .']],
    ['a configuration that is a folder', ['check', '--config', '.'], ['at: .', 'a folder (EISDIR', 'next: ']],
    ['a configuration without a name', ['check', '--config', ''], ['--config has no value', 'next: ']],
    ['a statement of nothing', ['query', '  '], ['there is no statement', 'expected: SQL', 'next: ']],
    ['a file of init in no folder', ['init', '--yes', '--file', 'no/x.yaml'], ['no such file or folder', 'next: ']],
    [
      'a role',
      ['token', 'create', 'x', '--role', 'king'],
      ['at: --role', 'read, operate, admin', 'found: king', 'next: '],
    ],
  ])('%s', async ([, args, says], { own: { folder, run } }) => {
    const { code, stderr } = await run(...args);
    for (const part of says) expect(stderr).toContain(part);
    expect(stderr).not.toMatch(/unexpected error|\bat .*\.js:\d+|DeprecationWarning/);
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('links that lead in a circle', async ({ own: { folder, run } }) => {
    symlinkSync('headrace.yaml', path.join(folder, 'headrace.yaml'));
    expect(await run('check')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/at: headrace.yaml[\s\S]*ELOOP/),
    });
  });

  test.skipIf(process.platform === 'win32')(
    'a pipe that nobody writes to, a device without an end',
    async ({ own }) => {
      execFileSync('mkfifo', [path.join(own.folder, 'pipe')]);
      const commands = ['sync', 'check', 'plan', 'serve', 'discover', 'state'];
      for (const [file, says] of [
        ['pipe', /pipe is no configuration[\s\S]*found: nothing/],
        ['/dev/zero', /zero is too large[\s\S]*next: /],
      ] as const)
        for (const answer of await Promise.all(
          commands.map((command) => own.run(command, ...(command === 'state' ? ['show'] : []), '--config', file)),
        ))
          expect(answer).toMatchObject({ code: 2, stderr: expect.stringMatching(says) });
    },
  );

  test('a stream whose deletions are to be accepted', async ({ own: { run } }) => {
    const args = ['sync', 'stripe', '--base-url', testbed.url, '--streams', 'customers', '--to', 'ndjson:out'];
    expect(await run(...args, '--accept-deletions', 'custmers')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no stream custmers[\s\S]*at: --accept-deletions[\s\S]*did you mean customers\?/),
    });
  });

  test('without a file, a name that is near a connector', async ({ own: { run } }) => {
    const { code, stderr } = await run('sync', 'strip');
    expect(stderr).toMatch(/no connector strip[\s\S]*did you mean stripe\?/);
    expect(code).toBe(2);
  });
});

describe.concurrent('schedules', () => {
  test.for(['61 * * * *', '* * *', '0 0 31 2 *', 'every day at noon', '* * * * * * *'])(
    '%j is found by check, with its line',
    async (cron, { own: { yaml, run } }) => {
      yaml(connection('', `    schedule: {cron: "${cron}"}\n`));
      const { code, stderr } = await run('check');
      expect(stderr).toMatch(/cron expression[\s\S]*headrace\.yaml:4/);
      expect(code).toBe(2);
    },
  );

  test('one that is wrong stops its own connection alone', async ({ own: { folder, yaml } }) => {
    yaml(
      `${connection('', '    schedule: {cron: "61 * * * *"}\n')}  other:\n    source: {connector: stripe, api_key: "\${STRIPE_API_KEY}", base_url: "${testbed.url}"}\n`,
    );
    const { code, stdout } = await headrace(['serve', '--port', '0', '--json'], {
      cwd: folder,
      env: KEY,
      signal: { name: 'SIGTERM', when: (output) => output.includes('"listening"') },
    });
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, any>);
    expect(events.find(({ type }) => type === 'connection_refused')).toMatchObject({
      level: 'error',
      connection: 'acme',
      error: { code: 'bad_cadence', place: expect.stringContaining('headrace.yaml:4') },
    });
    expect(events.find(({ type }) => type === 'listening')).toMatchObject({ connections: ['other'] });
    expect(code).toBe(0);
  });
});

describe.concurrent('what answers is not the API', () => {
  const check = ({ run }: Own, url: string) => run('check', 'stripe', '--base-url', url);
  const page = (status: number, type = 'text/html') =>
    createServer((_, response) =>
      response.writeHead(status, { 'content-type': type }).end('<!doctype html><title>Sign in\n to Corp</title>'),
    );

  test('TLS to a port that speaks HTTP', async ({ own }) => {
    const { code, stderr } = await check(own, `https://${await listening(page(200))}`);
    expect(stderr).toMatch(/speaks HTTP, not TLS\n {2}at: https:[\s\S]*next: write http:/);
    expect(stderr).not.toMatch(/ssl3|SSL routines|[0-9A-F]{8,}:/);
    expect(code).toBe(2);
  });

  test('HTTP to a port that speaks TLS, and a certificate of nobody', async ({ own }) => {
    const pair = generate([{ name: 'commonName', value: 'localhost' }], { days: 1, keySize: 2048 });
    const server = createTlsServer({ key: pair.private, cert: pair.cert }, (_, response) => response.end('{}'));
    const at = await listening(server);
    expect(await check(own, `https://${at}`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/certificate is not trusted[\s\S]*NODE_EXTRA_CA_CERTS/),
    });
    const plain = await check(own, `http://${at}`);
    expect(plain.stderr).toMatch(/at: http:[\s\S]*next: /);
    expect([1, 2]).toContain(plain.code);
  });

  test.for([['text/html'], ['text/plain'], ['application/json']])('a web page as %s', async ([type], { own }) => {
    const { code, stderr } = await check(own, `http://${await listening(page(200, type))}`);
    expect(stderr).toMatch(
      /a web page titled "Sign in to Corp", not JSON[\s\S]*next: a proxy, a firewall or a sign-in page/,
    );
    expect(code).toBe(1);
  });
});

describe('the machine', () => {
  test.skipIf(process.platform !== 'linux')(
    'a data folder that cannot be made is told before anything is read',
    async ({ own: { run } }) => {
      for (const folder of ['/proc/x', '/proc/x/y/z', '/dev/null/x']) {
        const before = testbed.stats().requests;
        const { code, stderr } = await run('sync', 'stripe', '--base-url', testbed.url, '--data-dir', folder);
        expect(stderr).toMatch(/cannot be made\n {2}at: [\s\S]*next: /);
        expect(stderr).toContain(folder);
        expect(code).toBe(2);
        // Its key was tried, no more.
        expect(testbed.stats().requests - before).toBeLessThanOrEqual(1);
      }
    },
  );

  test('who reads what is printed may leave: no word of it, and the state is good', async ({
    own: { folder, run },
  }) => {
    const piped = (args: string) =>
      new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
        const child = spawn('bash', ['-c', `set -o pipefail; '${process.execPath}' '${MAIN}' ${args} | head -n 1`], {
          cwd: folder,
          env: { ...process.env, ...KEY, NO_COLOR: '1' },
        });
        const out = { stdout: '', stderr: '' };
        child.stdout.setEncoding('utf8').on('data', (text: string) => (out.stdout += text));
        child.stderr.setEncoding('utf8').on('data', (text: string) => (out.stderr += text));
        child.once('close', (code) => resolve({ code, ...out }));
      });
    const sync = await piped(`sync stripe --base-url ${testbed.url} --max-rate 30 --json`);
    expect(sync.stderr).not.toMatch(/EPIPE|unexpected|at .*\.js/);
    expect(sync.stdout.split('\n')).toHaveLength(2);
    const rest = await run('sync', 'stripe', '--base-url', testbed.url, '--quiet');
    expect(rest).toMatchObject({ code: 0, stdout: expect.stringContaining('proven') });
    const query = await piped(`query 'select * from generate_series(1, 200000)' --json`);
    expect(query.stderr).toBe('');
    expect(query.code).toBe(0);
  });

  test("the testbed's key can be pasted into a file, and a key that ends with a line end works", async ({
    own: { folder, yaml, run },
  }) => {
    const child = spawn(process.execPath, [MAIN, 'testbed', 'stripe', '--port', '0', '--rows', '20'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const url = await new Promise<string>((resolve) =>
      child.stdout.once('data', (text) => resolve(String(text).trim())),
    );
    try {
      await expect.poll(() => said).toContain('Keys: ');
      for (const [key] of said.matchAll(/sk_(?:live|test)_\S+?(?=[\s,)])/g)) {
        yaml(`connections:\n  pasted:\n    source: {connector: stripe, api_key: ${key}, base_url: "${url}"}\n`);
        expect(await run('check')).toMatchObject({ code: 0 });
      }
      yaml(`connections:\n  file:\n    source: {connector: stripe, api_key: "\${KEY}", base_url: "${url}"}\n`);
      expect(await headrace(['check'], { cwd: folder, env: { KEY: `${TESTBED_LIVE_KEY}\n` } })).toMatchObject({
        code: 0,
      });
    } finally {
      child.kill();
    }
  });
});
