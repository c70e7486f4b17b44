/**
 * Small manifests read by Airbyte's own CDK and by Headrace, side by side, against one scripted server: what was asked
 * for, which records came, and whether it failed. Needs Python with airbyte-cdk; HEADRACE_PYTHON names the interpreter.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { DIFFERENCES } from '../src/sources/manifest/tools/differences.js';
import { COMPONENT_SCENARIOS } from './lib/oracle-components.js';
import { SCENARIOS as BASIC, type Scenario } from './lib/oracle-scenarios.js';
import { finish, printTable } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { only: { type: 'string' } } });
const SCENARIOS = [...BASIC, ...COMPONENT_SCENARIOS];
const parts = typeof values['only'] === 'string' ? values['only'].split(',') : [''];
const chosen = SCENARIOS.filter(({ name }) => parts.some((part) => name.includes(part)));
const python = process.env['HEADRACE_PYTHON'] ?? 'python3';
const MAIN = path.join(import.meta.dirname, '../dist/main.js');
const CHECKED = '/v1/chk';
/** Processes of Headrace under way; each takes a second of one core to start. */
const SIDE_BY_SIDE = 3;

type Side = 'cdk' | 'headrace';
interface Outcome {
  requests: string[];
  records: string[];
  failed: boolean;
  message: string;
}

const asked = new Map<string, string[]>();
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => answer(request, Buffer.concat(chunks).toString(), response));
});
const counts = new Map<string, number>();
const byName = new Map(chosen.map((each) => [each.name, each]));

/** `/r/NAME/SIDE` comes before the API's own path. */
function answer(request: IncomingMessage, body: string, response: ServerResponse): void {
  const url = new URL(request.url!, 'http://x');
  const [, , name = '', side = '', ...rest] = url.pathname.split('/');
  const own = `/${rest.join('/')}`;
  const scenario = byName.get(name);
  if (!scenario) {
    response.writeHead(404).end();
    return;
  }
  const { script } = scenario;
  const key = `${name}/${side}`;
  const list = script[own] ?? script['*'] ?? [[200, { data: [] }]];
  const at = counts.get(key + own) ?? 0;
  counts.set(key + own, at + 1);
  const [status, content, headers = {}] = list[Math.min(at, list.length - 1)]!;
  if (own !== CHECKED) asked.set(key, [...(asked.get(key) ?? []), written(request, own, url, body)]);
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/r/${key}`;
  const text = (typeof content === 'string' ? content : JSON.stringify(content)).replaceAll('__BASE__', base);
  response.writeHead(status, {
    'content-type': typeof content === 'string' ? 'text/plain' : 'application/json',
    ...headers,
    ...(headers['Location'] === undefined ? {} : { Location: base + headers['Location'] }),
  });
  response.end(text);
}

/** A request as both sides are held against: without what no API looks at. */
function written({ method, headers }: IncomingMessage, own: string, url: URL, body: string): string {
  const query = [...url.searchParams].map(([key, value]) => `${key}=${value}`).toSorted();
  const extra = Object.entries(headers).filter(([key]) => !COMMON.has(key));
  const isForm = headers['content-type'] === 'application/x-www-form-urlencoded';
  const content = isForm ? [...new URLSearchParams(body)].toSorted() : parsed(body);
  return JSON.stringify([method, own, query, content, extra.toSorted()]);
}

const COMMON = new Set(['host', 'user-agent', 'accept-encoding', 'connection', 'content-length', 'accept']);

function parsed(body: string): unknown {
  try {
    return sorted(JSON.parse(body));
  } catch {
    return body;
  }
}

/** Keys in order; fields without a value, which the protocol of Airbyte's own serializer leaves out, are left out. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

const catalogOf = ({ manifest }: Scenario) => {
  const [stream] = manifest['streams'] as Record<string, unknown>[];
  const isIncremental = stream!['incremental_sync'] !== undefined;
  return {
    streams: [
      {
        stream: {
          name: 'items',
          json_schema: {},
          supported_sync_modes: isIncremental ? ['full_refresh', 'incremental'] : ['full_refresh'],
        },
        sync_mode: isIncremental ? 'incremental' : 'full_refresh',
        destination_sync_mode: 'append',
      },
    ],
  };
};

const statesOf = (state: unknown) => [
  { type: 'STREAM', stream: { stream_descriptor: { name: 'items' }, stream_state: state } },
];

/** Exit code and standard output. */
function run(command: string, args: string[]): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 900_000 });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.on('error', () => resolve({ code: 127, out }));
    child.on('close', (code) => resolve({ code, out }));
  });
}

const folder = mkdtempSync(path.join(tmpdir(), 'headrace-oracle-'));
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const urlOf = (name: string, side: Side) =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}/r/${name}/${side}`;

async function readByCdk(): Promise<void> {
  const jobs = path.join(folder, 'jobs.jsonl');
  const lines = chosen.map((each) =>
    JSON.stringify({
      url: urlOf(each.name, 'cdk'),
      manifest: each.manifest,
      config: each.config,
      catalog: catalogOf(each),
      state: each.state === undefined ? null : statesOf(each.state),
      out: path.join(folder, `${each.name}.cdk.json`),
    }),
  );
  writeFileSync(jobs, lines.join('\n'));
  const { code, out } = await run(python, [path.join(import.meta.dirname, 'lib/oracle-cdk.py'), jobs]);
  if (code === 0) return;
  console.error(
    `the oracle needs Python with airbyte-cdk\n  expected: ${python} that imports airbyte_cdk (pip install airbyte-cdk)\n  found: ${out.trim() || `exit code ${code}`}\n  next: name the interpreter in HEADRACE_PYTHON`,
  );
  rmSync(folder, { recursive: true });
  process.exit(2);
}

async function readByHeadrace(each: Scenario): Promise<Pick<Outcome, 'records' | 'failed' | 'message'>> {
  const own = path.join(folder, each.name);
  mkdirSync(own);
  const file = (name: string, content: unknown) => {
    writeFileSync(path.join(own, name), JSON.stringify(content));
    return path.join(own, name);
  };
  const { code, out } = await run(process.execPath, [
    MAIN,
    'airbyte',
    'read',
    '--manifest',
    file('manifest.yaml', each.manifest),
    '--config',
    file('config.json', each.config),
    '--catalog',
    file('catalog.json', catalogOf(each)),
    ...(each.state === undefined ? [] : ['--state', file('state.json', statesOf(each.state))]),
    '--base-url',
    urlOf(each.name, 'headrace'),
  ]);
  const messages = out
    .split('\n')
    .filter(Boolean)
    .map(
      (line) =>
        JSON.parse(line) as {
          type: string;
          record?: { data: unknown };
          trace?: { type: string; error?: { message: string } };
        },
    );
  const errors = messages.flatMap(({ trace }) => (trace?.type === 'ERROR' ? [trace.error?.message ?? ''] : []));
  return {
    records: messages.flatMap(({ record }) => (record ? [JSON.stringify(sorted(record.data))] : [])).toSorted(),
    failed: errors.length > 0 || code !== 0,
    message: errors[0] ?? '',
  };
}

function ofCdk(name: string): Pick<Outcome, 'records' | 'failed' | 'message'> {
  const file = path.join(folder, `${name}.cdk.json`);
  if (!existsSync(file)) return { records: [], failed: true, message: 'did not end' };
  const found = JSON.parse(readFileSync(file, 'utf8')) as { records: unknown[]; failed: boolean; message: string };
  return { ...found, records: found.records.map((record) => JSON.stringify(sorted(record))).toSorted() };
}

const requestsOf = (name: string, side: Side) => (asked.get(`${name}/${side}`) ?? []).toSorted();
const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

await readByCdk();
const known = new Set(DIFFERENCES.map(([what]) => what));
let equal = 0;
let explained = 0;
const unexplained: string[] = [];
const readings = new Map<string, Awaited<ReturnType<typeof readByHeadrace>>>();
const waiting = [...chosen];
await Promise.all(
  Array.from({ length: SIDE_BY_SIDE }, async () => {
    for (let each = waiting.shift(); each; each = waiting.shift()) readings.set(each.name, await readByHeadrace(each));
  }),
);
for (const each of chosen) {
  const cdk: Outcome = { ...ofCdk(each.name), requests: requestsOf(each.name, 'cdk') };
  const headrace: Outcome = { ...readings.get(each.name)!, requests: requestsOf(each.name, 'headrace') };
  const differs = (['requests', 'records', 'failed'] as const).filter((part) => !isSame(cdk[part], headrace[part]));
  if (differs.length === 0) equal++;
  else if (each.because !== undefined && known.has(each.because)) explained++;
  else {
    unexplained.push(each.name);
    for (const part of differs)
      console.log(
        `${each.name}: ${part}\n  cdk      ${JSON.stringify(cdk[part])}\n  headrace ${JSON.stringify(headrace[part])}`,
      );
    console.log(`  said: ${cdk.message.slice(0, 160)} | ${headrace.message.slice(0, 160)}`);
  }
}
server.closeAllConnections();
server.close();
rmSync(folder, { recursive: true });
const figures = { scenarios: chosen.length, equal, explained, unexplained: unexplained.length };
printTable(Object.keys(figures), [Object.values(figures)]);
finish({
  bench: 'oracle',
  figures: { ...figures, explained_share: chosen.length === 0 ? 0 : explained / chosen.length },
  targets: { unexplained: { atMost: 0 }, explained_share: { atMost: 0.03 } },
});
