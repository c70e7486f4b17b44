/** How every bench reports: a table for people and, with --json, one last line for machines. */
import { parseArgs } from 'node:util';

export interface Report {
  bench: string;
  /** Named results; ratios rather than absolute times where both are known. */
  figures: Record<string, number>;
  /** For each named figure, the bound it must keep. */
  targets: Record<string, { atMost: number } | { atLeast: number }>;
}

const { values } = parseArgs({ strict: false, options: { json: { type: 'boolean' } } });

export function printTable(header: string[], rows: (string | number)[][]): void {
  const all = [header, ...rows.map((row) => row.map(String))];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  for (const row of all)
    console.log(
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    );
}

/** Prints the verdict and sets the exit code: 1 when a target is missed. */
export function finish(report: Report): void {
  const missed = Object.entries(report.targets).filter(([name, bound]) => {
    const value = report.figures[name];
    if (value === undefined || Number.isNaN(value)) return true;
    return 'atMost' in bound ? value > bound.atMost : value < bound.atLeast;
  });
  for (const [name, bound] of missed)
    console.log(`missed: ${name} = ${report.figures[name]}, ${JSON.stringify(bound)}`);
  console.log(
    missed.length === 0
      ? 'all targets met'
      : `${missed.length} of ${Object.keys(report.targets).length} targets missed`,
  );
  if (values['json']) console.log(JSON.stringify({ ...report, met: missed.length === 0 }));
  process.exitCode = missed.length === 0 ? 0 : 1;
}

/** Rounds a figure to three digits after the point. */
export const round = (value: number, digits = 3): number => Number(value.toFixed(digits));
