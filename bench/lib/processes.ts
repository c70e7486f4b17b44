/** Benches run the built program in processes of their own, as users do. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestbedStats } from '../../src/testbed/index.js';

export const MAIN = path.join(import.meta.dirname, '..', '..', 'dist', 'main.js');
export const LIVE_KEY = ['sk', 'live', 'headracetestbed'].join('_');

export interface RunningTestbed {
  url: string;
  stats(): Promise<TestbedStats>;
  /** Seconds that it has worked on a core. */
  cpuSeconds(): number;
  stop(): void;
}

/** Starts `headrace testbed API` with the given options. */
export async function startTestbedProcess(
  options: string[],
  api: 'stripe' | 'intercom' = 'stripe',
): Promise<RunningTestbed> {
  const child = spawn(process.execPath, [MAIN, 'testbed', api, '--port', '0', ...options], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
    child.once('exit', (code) => reject(new Error(`the testbed ended with ${code}`)));
  });
  return {
    url,
    stats: async () => (await (await fetch(`${url}/__testbed/stats`)).json()) as TestbedStats,
    cpuSeconds: () => cpuSeconds(child.pid!),
    stop: () => void child.kill('SIGKILL'),
  };
}

export interface SyncResult {
  code: number | null;
  seconds: number;
  /** Highest resident memory of the process, MiB. */
  rssMib: number;
  /** Seconds that it worked on a core, of all its threads. */
  cpuSeconds: number;
  events: Record<string, any>[];
  stderr: string;
}

export interface SyncHandle {
  child: ChildProcess;
  done: Promise<SyncResult>;
}

/** Starts `headrace sync stripe … --json`. */
export function startSync(folder: string, args: string[], onEvent?: (event: Record<string, any>) => void): SyncHandle {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    STRIPE_API_KEY: LIVE_KEY,
    HEADRACE_DATA_DIR: path.join(folder, '.headrace'),
  };
  delete env['HEADRACE_CONFIG'];
  const started = performance.now();
  const child = spawn(process.execPath, [MAIN, 'sync', ...args, '--json'], {
    env,
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const events: Record<string, any>[] = [];
  let rest = '';
  let stderr = '';
  let rssMib = 0;
  let cpu = 0;
  const memory = setInterval(() => {
    rssMib = Math.max(rssMib, peakRssMib(child.pid!));
    cpu = Math.max(cpu, cpuSecondsOr0(child.pid!));
  }, 50);
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = JSON.parse(line) as Record<string, any>;
      if (event['type'] !== 'committed' && event['type'] !== 'split') events.push(event);
      onEvent?.(event);
    }
  });
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const done = new Promise<SyncResult>((resolve) => {
    child.once('close', (code) => {
      clearInterval(memory);
      resolve({ code, seconds: (performance.now() - started) / 1000, rssMib, cpuSeconds: cpu, events, stderr });
    });
  });
  return { child, done };
}

/** User and system time of a process, in Linux's ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function cpuSecondsOr0(pid: number): number {
  try {
    return cpuSeconds(pid);
  } catch {
    return 0; // it has ended
  }
}

export function peakRssMib(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** A scratch folder that the database's account can enter; removed by `drop`. */
export function scratch(): { folder: string; drop: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'headrace-bench-'));
  chmodSync(folder, 0o755);
  mkdirSync(folder, { recursive: true });
  return { folder, drop: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A configuration file with Stripe's limits as this bench wants them. */
export function configFor(url: string, streams: string[], rate: { global: number; endpoint: number }): string {
  return JSON.stringify({
    version: 1,
    data_dir: '.headrace',
    connections: {
      stripe: {
        source: {
          connector: 'stripe',
          api_key: LIVE_KEY,
          base_url: url,
          streams,
          rate_limit: rate,
          max_rate: rate.global,
          max_endpoint_rate: rate.endpoint,
        },
      },
    },
  });
}
