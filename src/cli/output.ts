/** Where output goes: data on stdout, everything else on stderr, all of it redacted. */
import pc from 'picocolors';
import { redact } from '../log.js';

export { duration } from '../duration.js';

export function out(text: string): void {
  process.stdout.write(`${redact(text)}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${redact(text)}\n`);
}

export function json(value: unknown): void {
  out(JSON.stringify(value));
}

/** Columns as wide as they must be; numbers to the right. */
export function table(header: string[], rows: (string | number)[][]): string {
  const text = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell)));
  const widths = header.map((title, i) => Math.max(title.length, ...text.map((row) => (row[i] ?? '').length)));
  const right = header.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const line = (cells: string[]) => cells.map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ').trimEnd();
  return [pc.bold(line(header)), ...text.map(line)].join('\n');
}

/** 1234567 -> 1,234,567 */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

