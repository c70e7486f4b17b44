/** A terminal that draws: programs run in tmux, and what a person would see of them is read back. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { patience } from './patience.js';

export const HAS_TMUX = spawnSync('tmux', ['-V'], { encoding: 'utf8' }).stdout?.startsWith('tmux') === true;

export interface Screen {
  /** What is seen, without blanks at the ends of lines and below. */
  text(): string;
  /** With what scrolled away above. */
  history(): string;
  /** How often it was drawn, as its title tells. */
  drawn(): number;
  /** Resolves once the screen shows it. */
  shows(wanted: string | RegExp, withinMs?: number): Promise<string>;
  types(keys: string): void;
  resize(columns: number, rows: number): void;
  close(): void;
}

export function inTmux(
  command: string[],
  { columns, rows, cwd, env = {} }: { columns: number; rows: number; cwd: string; env?: Record<string, string> },
): Screen {
  const folder = mkdtempSync(path.join(tmpdir(), 'headrace-tmux-'));
  const tmux = (...args: string[]): string => {
    const ran = spawnSync('tmux', ['-S', path.join(folder, 'socket'), '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      cwd,
      env: { ...process.env, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color', CI: '', ...env },
    });
    if (ran.status !== 0) throw new Error(`tmux ${args[0]}: ${ran.stderr}`);
    return ran.stdout;
  };
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const variables = Object.entries({ CI: '', ...env }).map(([name, value]) => `${name}='${value}'`);
  // The shell stays: what the program left on the screen can be looked at.
  tmux(
    'new-session',
    '-d',
    '-x',
    String(columns),
    '-y',
    String(rows),
    `env ${variables.join(' ')} ${quoted}; exec sleep 600`,
  );
  const text = () =>
    tmux('capture-pane', '-p', '-t', '0')
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd();
  return {
    text,
    history: () => tmux('capture-pane', '-p', '-S', '-', '-t', '0'),
    drawn: () =>
      Number(/^drawn (\d+)$/.exec(tmux('display-message', '-p', '-t', '0', '#{pane_title}').trim())?.[1] ?? 0),
    types: (keys) => void tmux('send-keys', '-t', '0', '-l', keys),
    resize: (width, height) => void tmux('resize-window', '-t', '0', '-x', String(width), '-y', String(height)),
    shows: async (wanted, withinMs = patience(30_000)) => {
      for (const until = performance.now() + withinMs; ;) {
        const seen = text();
        if (typeof wanted === 'string' ? seen.includes(wanted) : wanted.test(seen)) return seen;
        if (performance.now() > until) throw new Error(`it never showed ${String(wanted)}:\n${seen}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    close: () => {
      spawnSync('tmux', ['-S', path.join(folder, 'socket'), 'kill-server']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
