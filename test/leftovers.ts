/**
 * What a run of the tests leaves behind. Each run has a folder for temporary files of its own, which everything it
 * starts inherits: what is in it at the end was left there, and a process that still works in it, or that inherited the
 * run's name, was left running. Other runs on the same machine are not looked at.
 */
import { mkdtempSync, chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const VARIABLE = 'HEADRACE_TEST_RUN';
/** Caches that tools keep below the temporary folder, whoever runs them. */
const CACHES = /^(?:tsx-\d+|jiti|node-compile-cache|node-jiti|v8-compile-cache.*)$/;
/** Processes of the test runner itself, which end after this. */
const RUNNERS = /^node \(vitest|\/vitest\/dist\/|esbuild --service|\/vitest\.mjs/;
/** What was told to end may take so long to do it. */
const GRACE_MS = 10_000;

export interface Leftovers {
  /** Names every entry and every process that is still there, and takes them away. */
  collect(): Promise<string[]>;
}

/** From here on, temporary files of this process and its children go to a folder of their own. */
export function watchLeftovers(): Leftovers {
  // Short: sockets of the embedded database lie below it. Open: its server may run under another account.
  const folder = mkdtempSync(path.join(tmpdir(), 'hr-'));
  chmodSync(folder, 0o777);
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  process.env[VARIABLE] = folder;
  return {
    async collect() {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
      const endMs = performance.now() + GRACE_MS;
      let processes = processesOf(folder);
      while (processes.length > 0 && performance.now() < endMs) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        processes = processesOf(folder);
      }
      const entries = readdirSync(folder).filter((name) => !CACHES.test(name));
      for (const { pid } of processes) kill(pid);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
      return [
        ...entries.map((name) => `${path.join(folder, name)}: ${contentsOf(path.join(folder, name))}`),
        ...processes.map(({ pid, command }) => `process ${pid}: ${command.slice(0, 200)}`),
      ];
    },
  };
}

/** Only Linux tells what a process was started with; elsewhere processes are not looked for. */
function processesOf(folder: string): { pid: number; command: string }[] {
  const found = [];
  for (const pid of namesIn('/proc').map(Number).filter(Number.isInteger)) {
    const command = textOf(`/proc/${pid}/cmdline`).join(' ').trim();
    if (command === '' || pid === process.pid || RUNNERS.test(command)) continue;
    if (command.includes(`${folder}/`) || textOf(`/proc/${pid}/environ`).includes(`${VARIABLE}=${folder}`))
      found.push({ pid, command });
  }
  return found;
}

const textOf = (file: string) => read(file, (name) => readFileSync(name, 'utf8').split('\0'), []);

const namesIn = (folder: string) => read(folder, (name) => readdirSync(name), []);

function contentsOf(file: string): string {
  const names = namesIn(file);
  return names.length === 0 ? 'nothing in it, or a file' : names.slice(0, 6).join(', ');
}

/** What cannot be read is gone, or no folder. */
function read<T>(file: string, how: (file: string) => T, otherwise: T): T {
  try {
    return how(file);
  } catch {
    return otherwise;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
