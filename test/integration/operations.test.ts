/** What a service is run with: files for docker compose and systemd, logs, traces, and the example of the client. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { openCoordination } from '../../src/wiring/compose-scheduler.js';
import { until } from '../patience.js';
import { startService, TEST_TOKEN, type TestService } from '../service-support.js';
import { assertCommand, freshDatabase, headrace, MAIN, scratch, urlOf } from '../support.js';

const ROOT = path.join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

/** Variables that the program reads. */
const VARIABLES = [
  'DATABASE_URL',
  'HEADRACE_SECRET_KEY',
  'HEADRACE_TOKEN',
  'HEADRACE_CONFIG',
  'HEADRACE_DATA_DIR',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
];

describe('docker compose', () => {
  const compose = parse(read('deploy/compose.yaml'), { merge: true }) as {
    services: Record<string, Record<string, any>>;
    volumes: Record<string, unknown>;
  };

  test('its services run commands that exist, with variables that are read, on images and volumes that are named', () => {
    expect(Object.keys(compose.services)).toEqual(['postgres', 'serve', 'worker']);
    for (const [name, service] of Object.entries(compose.services)) {
      expect(service['image'] ?? service['build'], name).toBeDefined();
      for (const volume of (service['volumes'] ?? []) as string[])
        if (!volume.startsWith('.')) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
      if (name === 'postgres') continue;
      assertCommand(service['command'] as string[]);
      for (const variable of Object.keys(service['environment'] as object)) expect(VARIABLES).toContain(variable);
      expect(Number.parseInt(service['stop_grace_period'] as string, 10)).toBeGreaterThan(25);
      expect(service['depends_on']).toEqual({ postgres: { condition: 'service_healthy' } });
    }
    expect(compose.services['serve']!['ports']).toEqual(['127.0.0.1:8787:8787']);
    // Nothing secret is written down.
    for (const line of read('deploy/compose.yaml').split('\n'))
      if (/PASSWORD:|TOKEN:|KEY:/.test(line)) expect(line).toMatch(/\$\{\w+:\?/);
  });

  test('the image runs as nobody special, and starts a command that exists', () => {
    const instructions = read('deploy/Dockerfile')
      .replaceAll('\\\n', ' ')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(/\s+(.*)/s, 2) as [string, string]);
    for (const [word] of instructions)
      expect(['FROM', 'ARG', 'COPY', 'RUN', 'USER', 'WORKDIR', 'ENV', 'EXPOSE', 'ENTRYPOINT', 'CMD']).toContain(word);
    const last = (word: string) => instructions.findLast(([name]) => name === word)![1];
    expect(last('USER')).toBe('headrace');
    expect(last('RUN')).toContain('useradd --system');
    expect(JSON.parse(last('ENTRYPOINT'))).toEqual(['headrace']);
    assertCommand(JSON.parse(last('CMD')) as string[]);
    expect(last('ENV')).toContain('HEADRACE_DATA_DIR=');
  });

  test('the image is built from the checkout, in two stages, with all that the package and its build want', () => {
    const text = read('deploy/Dockerfile');
    expect(text.match(/^FROM /gm)).toHaveLength(2);
    // The registry holds no version that this checkout could be mistaken for.
    expect(text).not.toMatch(/npm install[^\n]* headrace(@|\s|$)/);
    for (const { build } of [compose.services['serve']!, compose.services['worker']!]) {
      expect(path.join(ROOT, 'deploy', build.context, build.dockerfile)).toBe(path.join(ROOT, 'deploy/Dockerfile'));
      const kept = read('.dockerignore')
        .split('\n')
        .filter((line) => line.startsWith('!'))
        .map((line) => line.slice(1));
      const { files } = JSON.parse(read('package.json')) as { files: string[] };
      const wanted = files.filter((file) => file !== 'dist' && !file.startsWith('!'));
      wanted.push('package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'vite.config.ts');
      wanted.push('src', 'scripts', 'README.md', 'LICENSE');
      expect(kept.toSorted()).toEqual(wanted.toSorted());
    }
  });
});

describe.each(['deploy/headrace.service', 'deploy/headrace-worker@.service'])('%s', (file) => {
  const lines = read(file)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

  test('is a unit whose command exists and that leaves time to stop', () => {
    const sections: Record<string, [string, string][]> = {};
    let section = '';
    for (const line of lines) {
      const title = /^\[(\w+)\]$/.exec(line)?.[1];
      const pair = /^(\w+)=(.*)$/.exec(line);
      expect(title ?? pair, line).toBeTruthy();
      if (title !== undefined) sections[(section = title)] = [];
      else sections[section]!.push([pair![1]!, pair![2]!]);
    }
    expect(Object.keys(sections)).toEqual(['Unit', 'Service', 'Install']);
    const of = (name: string) => sections['Service']!.find(([key]) => key === name)?.[1];
    const [env, program, ...words] = of('ExecStart')!.split(' ');
    expect([env, program]).toEqual(['/usr/bin/env', 'headrace']);
    assertCommand(words);
    expect(Number(of('TimeoutStopSec'))).toBeGreaterThan(25);
    expect(of('KillSignal')).toBe('SIGTERM');
    expect(of('User')).toBe('headrace');
  });

  const verifies = spawnSync('systemd-analyze', ['--version']).status === 0;
  test.skipIf(!verifies)('systemd-analyze finds no fault', () => {
    const { folder, drop } = scratch();
    const unit = path.join(folder, path.basename(file).replace('@.', '@1.'));
    // The user is made when it is installed.
    writeFileSync(unit, read(file).replaceAll(/^(User|Group)=.*\n/gm, ''));
    const { stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
    drop();
    expect(stderr.split('\n').filter((line) => line.includes(path.basename(unit)))).toEqual([]);
  });
});

describe('the service, observed', () => {
  let testbed: StripeTestbed;
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let folder: ReturnType<typeof scratch>;
  let url: string;
  beforeAll(async () => {
    testbed = await startStripeTestbed({ rows: 300 });
    database = await freshDatabase();
    url = urlOf(database.target);
    folder = scratch();
    writeFileSync(
      path.join(folder.folder, 'headrace.yaml'),
      JSON.stringify({
        connections: {
          logged: {
            schedule: { every: '1h' },
            destination: { type: 'postgres', url: '${DATABASE_URL}' },
            source: {
              connector: 'stripe',
              api_key: '${STRIPE_API_KEY}',
              base_url: testbed.url,
              streams: ['customers'],
            },
          },
        },
      }),
    );
  });
  afterAll(async () => {
    await testbed?.close();
    folder?.drop();
    await database?.drop();
  });

  test('logs are JSON with the ids of task, attempt and run; traces reach the collector that the environment names', async () => {
    const { bodies, collector } = await startCollector();
    const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--json'], {
      cwd: folder.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        DATABASE_URL: url,
        STRIPE_API_KEY: TESTBED_LIVE_KEY,
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
        OTEL_SERVICE_NAME: 'headrace-test',
        HEADRACE_LOG_LEVEL: 'debug',
      },
    });
    let text = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
    await until(async () => text.includes('"task_settled"'));
    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    collector.close();
    expect(stderr).toBe('');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const line of lines)
      expect(line).toMatchObject({
        level: expect.stringMatching(/^(debug|info|warn|error)$/),
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        type: expect.any(String),
        message: expect.any(String),
      });
    const settled = lines.find(({ type }) => type === 'task_settled')!;
    expect(settled).toMatchObject({
      connection: 'logged',
      task: expect.any(Number),
      attempt: 1,
      run: expect.stringMatching(/^\w+-\w+$/),
      state: 'done',
    });
    expect(lines.find(({ type }) => type === 'finished')).toMatchObject({ run: settled['run'], task: settled['task'] });
    expect(text).not.toContain(TESTBED_LIVE_KEY);

    const traces = bodies.filter((body) => body.startsWith('/v1/traces '));
    const spans = traces.flatMap((body) => spansOf(body.slice('/v1/traces '.length)));
    const root = spans.find(({ name }) => name === 'sync logged')!;
    expect(Object.fromEntries(root.attributes.map(({ key, value }) => [key, Object.values(value)[0]]))).toMatchObject({
      'headrace.connection': 'logged',
      'headrace.run': settled['run'],
      'headrace.outcome': 'complete',
      'headrace.state': 'done',
    });
    expect(spans.find(({ name }) => name === 'stream customers')?.parentSpanId).toBe(root.spanId);
    expect(traces.join('')).toContain('headrace-test');
    expect(traces.join('')).not.toContain(TESTBED_LIVE_KEY);
  });

  test('a level that does not exist, a key that is none: an error that names the variable', async () => {
    const env = { DATABASE_URL: url, STRIPE_API_KEY: TESTBED_LIVE_KEY };
    expect(
      await headrace(['serve', '--port', '0'], { cwd: folder.folder, env: { ...env, HEADRACE_LOG_LEVEL: 'loud' } }),
    ).toMatchObject({ code: 2, stderr: expect.stringContaining('HEADRACE_LOG_LEVEL') });
    const short = await headrace(['serve', '--port', '0'], {
      cwd: folder.folder,
      env: { ...env, HEADRACE_SECRET_KEY: 'tooshortkey' },
    });
    expect(short).toMatchObject({ code: 2, stderr: expect.stringContaining('openssl rand -hex 32') });
    expect(short.stderr).not.toContain('tooshortkey');
  });

  test('tokens are made, listed and revoked on the command line; the token is shown once', async () => {
    const env = { DATABASE_URL: url, STRIPE_API_KEY: TESTBED_LIVE_KEY };
    const made = await headrace(['token', 'create', 'ci', '--role', 'operate', '--expires-in', '30'], {
      cwd: folder.folder,
      env,
    });
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^hr_[\w-]{32}\n$/) });
    const listed = await headrace(['token', 'list', '--json'], { cwd: folder.folder, env });
    expect(JSON.parse(listed.stdout)).toMatchObject({
      name: 'ci',
      role: 'operate',
      expiresAt: expect.stringMatching(/^20/),
    });
    expect(listed.stdout).not.toContain(made.stdout.trim());
    const { id } = JSON.parse(listed.stdout) as { id: string };
    expect(await headrace(['token', 'revoke', id], { cwd: folder.folder, env })).toMatchObject({ code: 0 });
    expect(await headrace(['token', 'revoke', id], { cwd: folder.folder, env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no such token'),
    });
    expect(await headrace(['token', 'create', 'x', '--role', 'king'], { cwd: folder.folder, env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('read, operate, admin'),
    });
  });
});

test('keys are changed: status names what an older key sealed, reseal seals it anew, the old key can go', async () => {
  const [first, second, third] = ['1a', '2b', '3c'].map((byte) => byte.repeat(32)) as [string, string, string];
  const database = await freshDatabase();
  const { folder, drop } = scratch();
  try {
    const url = urlOf(database.target);
    const store = async (id: string, key: string) => {
      const coordination = await openCoordination({ database: url }, { HEADRACE_SECRET_KEY: key });
      const limit = { requests: 10, frequencySeconds: 1 };
      await coordination.scheduler.define({ id, app: 'a', partition: 'p', limit, maxConcurrent: 1 });
      const sealed = coordination.connections.seal(id, { webhook_secret: `whsec_of_${id}` }, () => true);
      await coordination.connections.write(id, sealed, undefined, 0);
      await coordination.close();
    };
    const secrets = async (what: string, keys: string) => {
      const { code, stdout, stderr } = await headrace(['secrets', what, '--json', '--database', url], {
        cwd: folder,
        env: { HEADRACE_SECRET_KEY: keys },
      });
      expect(stdout + stderr).not.toContain('whsec_of');
      return {
        code,
        lines: stdout
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as object),
        stderr,
      };
    };
    await store('one', first);
    await store('two', second);
    await store('three', third);
    const sealed = (connection: string, key: string) => ({ type: 'sealed', connection, key });
    expect(await secrets('status', `${second},${first}`)).toMatchObject({
      code: 3,
      lines: [sealed('one', 'older'), sealed('three', 'unknown'), sealed('two', 'newest')],
    });
    const resealed = await secrets('reseal', `${second},${first}`);
    expect(resealed).toMatchObject({ code: 3, lines: [{ connections: ['one'], failed: ['three'] }] });
    expect(resealed.stderr).toContain('three');
    expect(await secrets('reseal', `${second},${third}`)).toMatchObject({
      code: 0,
      lines: [{ connections: ['three'] }],
    });
    expect(await secrets('status', second)).toMatchObject({
      code: 0,
      lines: [sealed('one', 'newest'), sealed('three', 'newest'), sealed('two', 'newest')],
    });
    const coordination = await openCoordination({ database: url }, { HEADRACE_SECRET_KEY: second });
    for (const id of ['one', 'two', 'three'])
      expect(await coordination.connections.open(id)).toEqual({ webhook_secret: `whsec_of_${id}` });
    await coordination.close();
  } finally {
    drop();
    await database.drop();
  }
});

test('the example of the client runs a connection and watches it to its end', async () => {
  const testbed = await startStripeTestbed({ rows: 500, limit: '200/s,endpoint=200/s' });
  let service: TestService | undefined;
  try {
    service = await startService({
      file: {
        connections: {
          acme: {
            destination: { type: 'postgres', url: '${DATABASE_URL}' },
            source: {
              connector: 'stripe',
              api_key: TESTBED_LIVE_KEY,
              base_url: testbed.url,
              streams: ['customers', 'charges'],
            },
          },
        },
      },
    });
    const run = (connection: string) =>
      new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
        const child = spawn(process.execPath, [path.join(ROOT, 'examples/watch-a-run.mjs'), service!.url, connection], {
          cwd: ROOT,
          env: { ...process.env, HEADRACE_TOKEN: TEST_TOKEN },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        const out = { stdout: '', stderr: '' };
        child.stdout.setEncoding('utf8').on('data', (part: string) => (out.stdout += part));
        child.stderr.setEncoding('utf8').on('data', (part: string) => (out.stderr += part));
        child.once('close', (code) => resolve({ code, ...out }));
      });
    const good = await run('acme');
    expect(good, good.stderr).toMatchObject({ code: 0 });
    expect(good.stdout).toMatch(/task \d+ waits[\s\S]*rows, \d+ requests\/s[\s\S]*complete: \d+ rows/);
    expect(await run('nobody')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no connection nobody'),
    });
  } finally {
    await service?.close();
    await testbed.close();
  }
});

/** Takes what is sent to it: each address, and the body after it. */
async function startCollector(): Promise<{ bodies: string[]; collector: Server }> {
  const bodies: string[] = [];
  const collector = createServer((request, response) => {
    let body = '';
    request
      .setEncoding('utf8')
      .on('data', (part: string) => (body += part))
      .on('end', () => {
        bodies.push(`${request.url} ${body}`);
        response.setHeader('content-type', 'application/json').end('{}');
      });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  return { bodies, collector };
}

interface Span {
  name: string;
  spanId: string;
  parentSpanId?: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}

function spansOf(traces: string): Span[] {
  const { resourceSpans } = JSON.parse(traces) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
}
