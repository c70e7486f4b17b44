/** Starts processes that flood a small server, together; what each got, and what the server saw. */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { systemClock, type Clock } from '../../src/base/clock.js';
import { startTestbed, type Testbed } from '../../src/testbed/server.js';

export interface Flooded {
  accepted: number;
  rejected: number;
  /** Accepted in each tenth of a second. */
  series: number[];
  memory: unknown;
}

/** A server of one tiny answer. */
export function tinyServer(limit: string, latencyMs: number, clock: Clock = systemClock): Promise<Testbed> {
  return startTestbed(
    { endpointOf: () => 'e', answer: () => ({ status: 200, body: '{"ok":true}' }) },
    { limit, latency: { medianMs: latencyMs, sigma: 0.1 } },
    clock,
  );
}

export interface Flood {
  child: ChildProcess;
  /** Resolves once it is about to send. */
  ready: Promise<void>;
  done: Promise<Flooded | undefined>;
}

export function startFlood(options: Record<string, unknown>): Flood {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', path.join(import.meta.dirname, 'flood.ts'), JSON.stringify(options)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  let ready: () => void;
  const isReady = new Promise<void>((resolve) => (ready = resolve));
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (text.includes('ready')) ready();
  });
  const done = new Promise<Flooded | undefined>((resolve) =>
    child.once('close', () => {
      const line = text.split('\n').find((candidate) => candidate.startsWith('{'));
      resolve(line === undefined ? undefined : (JSON.parse(line) as Flooded));
    }),
  );
  return { child, ready: isReady, done };
}
