/**
 * Faults that Headrace had once, put back one at a time into a copy of the sources. A world that does not find them is
 * too kind.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface Mutant {
  name: string;
  /** Each text must be there once. */
  changes: [file: string, from: string, to: string][];
}

export const MUTANTS: Mutant[] = [
  {
    name: 'a sweep begins at the end of the process that resumed',
    changes: [
      [
        'src/engine/run/more-to-read.ts',
        '...sweepOf(division, span,',
        "...sweepOf(division, division.order === 'ascending' ? { ...span, gte: -soFar.historyEnd } : { ...span, lt: soFar.historyEnd },",
      ],
      ['src/ledger/ledger.ts', 'const gte = Math.min(event.gte, span.lt);', 'const { gte } = event;'],
      [
        'src/ledger/ledger.ts',
        'const lt = Math.max(event.lt, gte + event.unit, span.gte);',
        'const lt = Math.max(event.lt, gte + event.unit);',
      ],
    ],
  },
  {
    name: 'what the dead had in flight is never dropped',
    changes: [
      [
        'src/gate/shared/grant-pool.ts',
        'if (ageMs <= LIMITS.requestMs && (isOwned(open, id) || ageMs <= deadMs)) continue;',
        'if (ageMs + deadMs >= 0 || isOwned(open, id)) continue;',
      ],
    ],
  },
  {
    name: 'a lender that cannot reach the database tries for ever',
    changes: [['src/engine/share/lender.ts', ' return this.giveUp(error);', ' failingSinceMs = undefined;']],
  },
  {
    name: 'a page that the destination cannot prepare has closed its range before',
    changes: [
      [
        'src/engine/read/range-reader.ts',
        'this.stumble(request, error, isTaken)',
        'this.stumble(request, error, false)',
      ],
    ],
  },
  {
    name: 'rows of a numbered list that moved are counted as if they were there',
    changes: [
      ['src/engine/read/numbered-walk.ts', 'distinct >= total && !hasMoved && !hasHole', 'distinct >= total'],
      ['src/engine/read/numbered-walk.ts', "    if (this.hasMoved) return { kind: 'stated', doubt: 'shifted' };\n", ''],
    ],
  },
  {
    name: 'the end of rows below their span is confirmed again and again',
    changes: [
      [
        'src/ledger/live-range.ts',
        'lt: Math.min(range.filter.lt, range.reached + unit)',
        'lt: Math.min(range.filter.lt, range.top + unit)',
      ],
      ['src/ledger/live-range.ts', '  range.reached = last;\n', '  range.reached = Math.max(range.gte, last);\n'],
    ],
  },
  {
    name: 'a grant that nobody wants any more is kept',
    changes: [['src/gate/shared/shared-gate.ts', '    this.pool.dropLate(now, state.gate.toleranceMs());\n', '']],
  },
  {
    name: 'children are proven whatever is known of their parents',
    changes: [['src/engine/run/stream-run.ts', "child.parentEvidence = { kind: 'stated', doubt: 'parents' };", ';']],
  },
  {
    name: 'a cursor that the server moves is asked with again',
    changes: [
      ['src/sources/manifest/runtime/cursor-walk.ts', 'if (!isOurs && this.isServers(p)) throw this.moved();', ''],
      [
        'src/sources/manifest/runtime/cursor-walk.ts',
        '(!isOurs || output.wasLost === true)) throw this.moved();',
        'x === -1) throw this.moved();',
      ],
    ],
  },
  {
    name: 'a list ends with its first page that is not full',
    changes: [
      [
        'src/sources/manifest/runtime/moving-list.ts',
        'fresh > 0 && isShort && (output.claims?.more || this.mayBeLess(rows, walk))',
        'rows < 0',
      ],
    ],
  },
];

const REPOSITORY = path.join(import.meta.dirname, '..', '..');

/** A copy of the sources and of the world with a mutant in it. */
export function withMutant({ name, changes }: Mutant): { folder: string; drop: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'headrace-mutant-'));
  for (const each of ['src', 'test/simulation/world', 'bench/lib/world-worker.ts', 'package.json', 'tsconfig.json'])
    cpSync(path.join(REPOSITORY, each), path.join(folder, each), { recursive: true });
  symlinkSync(path.join(REPOSITORY, 'node_modules'), path.join(folder, 'node_modules'));
  for (const [file, from, to] of changes) {
    const target = path.join(folder, file);
    const text = readFileSync(target, 'utf8');
    if (text.split(from).length !== 2)
      throw new Error(`mutant "${name}" does not fit ${file}: expected once: ${from.trim()}`);
    writeFileSync(
      target,
      text.replace(from, () => to),
    );
  }
  return { folder, drop: () => rmSync(folder, { recursive: true, force: true }) };
}

export { REPOSITORY };
