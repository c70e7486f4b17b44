/** Reads manifests with Airbyte's CDK, in one process of Python, and with Headrace, many at once in this one. */
import { spawn } from 'node:child_process';
import { AsyncLocalStorage } from 'node:async_hooks';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { sorted } from './oracle-server.js';

export interface Job {
  /** Names its files: of one run of one side. */
  id: string;
  url: string;
  /** As it is written, for the CDK and for Headrace. */
  manifest: unknown;
  config: unknown;
  catalog: unknown;
  /** State messages that it goes on from. */
  state?: unknown[] | undefined;
}

export interface Outcome {
  /** Rows as text, `["stream", {...}]`. */
  records: string[];
  failed: boolean;
  message: string;
  /** The last state message of each stream. */
  state: unknown[];
}

interface Message {
  type: string;
  record?: { stream: string; data: unknown };
  state?: { stream?: { stream_descriptor: { name: string } } };
  trace?: { type: string; error?: { message: string } };
}

/** Reads of Headrace that are under way at once; each waits more than it computes. */
const SIDE_BY_SIDE = 8;
const READ_MS = 240_000;
/** Airbyte's connectors that are read at once. */
const PROCESSES = 2;

export function outcomeOf(messages: Message[], failed: boolean): Outcome {
  const errors = messages.flatMap(({ trace }) => (trace?.type === 'ERROR' ? [trace.error?.message ?? ''] : []));
  const last = new Map<string, unknown>();
  for (const { state } of messages) if (state?.stream) last.set(state.stream.stream_descriptor.name, state);
  return {
    records: messages
      .flatMap(({ record }) => (record ? [JSON.stringify([record.stream, sorted(record.data)])] : []))
      .toSorted(),
    failed: failed || errors.length > 0,
    message: errors[0] ?? '',
    state: [...last.values()],
  };
}

/** Undefined where there is no Python with airbyte-cdk, which is said. */
export async function readByCdk(folder: string, jobs: Job[]): Promise<Map<string, Outcome> | undefined> {
  if (jobs.length === 0) return new Map();
  const parts = Array.from({ length: PROCESSES }, (_, part) => jobs.filter((_, at) => at % PROCESSES === part));
  const ended = await Promise.all(parts.map((part, at) => cdkProcess(path.join(folder, `cdk-${at}`), part)));
  if (ended.includes(false)) return undefined;
  return new Map(jobs.map((job, at) => [job.id, cdkOutcome(path.join(folder, `cdk-${at % PROCESSES}`, job.id))]));
}

async function cdkProcess(folder: string, jobs: Job[]): Promise<boolean> {
  mkdirSync(folder, { recursive: true });
  const python = process.env['HEADRACE_PYTHON'] ?? 'python3';
  const list = path.join(folder, 'jobs.jsonl');
  writeFileSync(list, jobs.map((job) => JSON.stringify({ ...job, out: path.join(folder, job.id) })).join('\n'));
  const script = path.join(import.meta.dirname, 'oracle-cdk.py');
  const { code, out } = await new Promise<{ code: number | null; out: string }>((resolve) => {
    const child = spawn(python, [script, list], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on('error', () => resolve({ code: 127, out: text }));
    child.on('close', (status) => resolve({ code: status, out: text }));
  });
  if (code !== 0)
    console.error(
      `the oracle needs Python with airbyte-cdk\n  expected: ${python} that imports airbyte_cdk (pip install airbyte-cdk)\n  found: ${out.trim() || `exit code ${code}`}\n  next: name the interpreter in HEADRACE_PYTHON`,
    );
  return code === 0;
}

function cdkOutcome(file: string): Outcome {
  if (!existsSync(file)) return { records: [], failed: true, message: 'did not end', state: [] };
  const { messages, error } = JSON.parse(readFileSync(file, 'utf8')) as { messages: Message[]; error: string | null };
  const outcome = outcomeOf(messages, error !== null);
  return { ...outcome, message: outcome.message || (error ?? '') };
}

const output = new AsyncLocalStorage<string[]>();
const toTerminal = process.stdout.write.bind(process.stdout);

/** Lines of a read go to the read; all others where they went before. */
process.stdout.write = ((text: string | Uint8Array, ...rest: unknown[]) => {
  const lines = output.getStore();
  if (!lines) return toTerminal(text, ...(rest as []));
  lines.push(text.toString());
  const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
  if (done) queueMicrotask(done);
  return true;
}) as typeof process.stdout.write;

/** Waits between attempts tell nothing here, on neither side. */
const LONGEST_WAIT_MS = 50;
const { sleep } = systemClock;
systemClock.sleep = (ms, signal) => sleep(Math.min(ms, LONGEST_WAIT_MS), signal);

export async function readByHeadrace(folder: string, jobs: Job[]): Promise<Map<string, Outcome>> {
  process.setMaxListeners(0);
  const { read } = await import('../../src/cli/commands/airbyte.js');
  const out = new Map<string, Outcome>();
  const waiting = [...jobs];
  const one = async (job: Job) => {
    const own = path.join(folder, 'headrace', job.id);
    mkdirSync(own, { recursive: true });
    const file = (name: string, content: unknown) => {
      const place = path.join(own, name);
      writeFileSync(place, typeof content === 'string' ? content : JSON.stringify(content));
      return place;
    };
    const flags = {
      manifest: file('manifest.yaml', job.manifest),
      config: file('config.json', job.config),
      catalog: file('catalog.json', job.catalog),
      ...(job.state === undefined ? {} : { state: file('state.json', job.state) }),
      baseUrl: job.url,
    };
    const lines: string[] = [];
    const late = new Promise<string>((resolve) => setTimeout(() => resolve('did not end'), READ_MS).unref());
    const code = await Promise.race([
      output.run(lines, () => read([], flags)).catch((error: unknown) => `threw ${String(error)}`),
      late,
    ]);
    const messages = lines
      .join('')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Message);
    const outcome = outcomeOf(messages, code !== 0);
    out.set(job.id, typeof code === 'string' ? { ...outcome, message: code } : outcome);
  };
  await Promise.all(
    Array.from({ length: SIDE_BY_SIDE }, async () => {
      for (let job = waiting.shift(); job; job = waiting.shift()) await one(job);
    }),
  );
  return out;
}
