/** The end of a run: the proof, and what to do next. */
import pc from 'picocolors';
import type { RunSummary, StreamProof } from '../../engine/report/events.js';
import { count, duration, table } from './output.js';
import { rejectionText } from './progress-view.js';

export function proofTable(proofs: StreamProof[]): string {
  return table(
    [
      'stream',
      'pages',
      'rows read',
      'inserted',
      'updated',
      'unchanged',
      'quarantined',
      'gaps',
      'overlaps',
      'open',
      'stored',
      'evidence',
      'proof',
    ],
    proofs.map((proof) => [
      proof.stream,
      proof.pages,
      proof.counts.read,
      proof.counts.inserted,
      proof.counts.updated,
      proof.counts.unchanged,
      proof.quarantined,
      proof.gaps,
      proof.overlaps,
      proof.open,
      proof.stored,
      proof.evidence,
      verdictOf(proof),
    ]),
  );
}

function verdictOf({ faults, doubt }: StreamProof): string {
  if (faults.length > 0) return faults.join('; ');
  return doubt === undefined ? 'proven' : 'unproven (below)';
}

/** Why a stream that is complete is not proven, one line each. */
export function doubtLines(proofs: StreamProof[]): string[] {
  return proofs
    .filter(({ faults, doubt }) => faults.length === 0 && doubt !== undefined)
    .map(({ stream, doubt }) => `unproven ${stream}: ${doubt}`);
}

export function summaryText(summary: RunSummary, resume: string): string {
  const lines: string[] = [];
  if (summary.proofs.length > 0) lines.push(proofTable(summary.proofs), '');
  for (const problem of summary.problems) {
    lines.push(`${pc.yellow(problem.status)} ${problem.stream}: ${problem.message}`);
    if (problem.next) lines.push(`  next: ${problem.next}`);
  }
  lines.push(...doubtLines(summary.proofs).map((line) => pc.yellow(line)));
  for (const text of summary.notes) lines.push(`note: ${text}`);
  const rate = summary.seconds > 0 ? `, ${count(summary.rows / summary.seconds)} rows/s` : '';
  lines.push(
    `${outcome(summary)} in ${duration(summary.seconds * 1000)}: ${count(summary.rows)} rows, ${count(summary.requests)} requests, ${summary.rejections} rejected${rejectionText(summary.rejectedFor)}${rate}`,
  );
  if (summary.outcome === 'paused') lines.push(`Everything that was fetched is committed. Continue with: ${resume}`);
  if (summary.outcome === 'partial') lines.push(`Run it again to go on where it stopped: ${resume}`);
  return lines.join('\n');
}

function outcome({ outcome, proofs }: RunSummary): string {
  switch (outcome) {
    case 'complete': {
      const unproven = proofs.filter(({ doubt }) => doubt !== undefined).length;
      if (unproven > 0)
        return pc.yellow(
          `Complete, unproven: ${unproven} of ${proofs.length} ${proofs.length === 1 ? 'stream' : 'streams'}, gaps 0, overlaps 0,`,
        );
      return pc.green(
        `Complete: ${proofs.length} ${proofs.length === 1 ? 'stream' : 'streams'}, gaps 0, overlaps 0, every row accounted for,`,
      );
    }
    case 'partial':
      return pc.yellow('Partial');
    case 'paused':
      return pc.yellow('Paused');
    case 'failed':
      return pc.red('Failed');
  }
}
