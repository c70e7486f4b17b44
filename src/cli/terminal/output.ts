/**
 * Where output goes: data on stdout, everything else on stderr, all of it redacted, and nothing in it steers the
 * terminal.
 */
import pc from 'picocolors';
import { redact } from '../../base/log.js';
import { count } from '../../base/plural.js';

export { duration } from '../../base/duration.js';

/** What knows how wide text is takes long to load, and only a terminal asks. */
const terminal = process.stderr.isTTY ? await import('./fit.js') : undefined;

const ESCAPE = '\u001b';
const COLOUR = /^\[[\d;]*m/;

/**
 * What an API or somebody's name for something says, as a terminal may be given it: line ends, tabs and colours steer
 * nothing.
 */
export function printable(text: string): string {
  return redact(text)
    .replaceAll('\r\n', '\n')
    .replaceAll(/(?![\n\t])\p{Cc}/gu, (control, at: number, whole: string) =>
      control === ESCAPE && COLOUR.test(whole.slice(at + 1, at + 20)) ? control : '\u{fffd}',
    );
}

export function out(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

export function note(text: string): void {
  const { columns } = process.stderr;
  // A terminal would break lines inside words.
  process.stderr.write(`${terminal && columns ? terminal.wrap(printable(text), columns) : printable(text)}\n`);
}

export function json(value: unknown): void {
  process.stdout.write(`${redact(JSON.stringify(value))}\n`);
}

/** Columns as wide as they must be; numbers to the right. */
export function table(header: string[], rows: (string | number)[][]): string {
  const text = rows.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? count(cell) : cell.replaceAll(/\s+/g, ' '))),
  );
  const widths = header.map((title, i) => Math.max(title.length, ...text.map((row) => (row[i] ?? '').length)));
  const right = header.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [pc.bold(line(header)), ...text.map(line)].join('\n');
}
