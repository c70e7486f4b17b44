/** A real terminal, from util-linux's `script` where there is one. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { MAIN } from './support.js';

/** The `script` of macOS and the BSDs takes other arguments. */
export const HAS_TERMINAL =
  process.platform === 'linux' &&
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true;

export interface Session {
  /** Resolves once the screen shows the text after what was waited for before; rejects when the program ends first. */
  shows(text: string): Promise<void>;
  types(keys: string): void;
  /** The terminal goes away, as when its window is closed. */
  closes(): void;
  ended: Promise<{ code: number | null; screen: string }>;
}

/**
 * Runs the built program on a terminal of its own, in the place of the shell: a shell that waited there would itself be
 * ended by Ctrl-C, and its exit code be told.
 */
export function onTerminal(
  args: string[],
  options: { cwd: string; env?: Record<string, string>; main?: string },
): Session {
  const command = `exec ${[process.execPath, options.main ?? MAIN, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')}`;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    SHELL: '/bin/sh',
    TERM: 'xterm-256color',
    NO_COLOR: '1',
    ...options.env,
  };
  for (const name of ['STRIPE_API_KEY', 'HEADRACE_CONFIG', 'HEADRACE_DATA_DIR', 'FORCE_COLOR', 'CI'])
    if (options.env?.[name] === undefined) delete env[name];
  const child: ChildProcess = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: options.cwd,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let screen = '';
  let seen = 0;
  let look = () => {};
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    look();
  });
  const ended = new Promise<{ code: number | null; screen: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, screen })),
  );
  return {
    ended,
    types: (keys) => void child.stdin!.write(keys),
    closes: () => void child.kill('SIGKILL'),
    shows: (text) =>
      new Promise((resolve, reject) => {
        look = () => {
          const at = screen.indexOf(text, seen);
          if (at < 0) return;
          seen = at + text.length;
          look = () => {};
          resolve();
        };
        void ended.then(({ code }) =>
          reject(new Error(`ended with ${code} before it showed ${text}: ${screen.slice(-500)}`)),
        );
        look();
      }),
  };
}
