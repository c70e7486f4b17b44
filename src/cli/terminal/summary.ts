/** The end of a run: the proof, and what to do next. */
import pc from 'picocolors';
import stringWidth from 'string-width';
import type { RunSummary, StreamProof } from '../../engine/report/events.js';
import { count, countOf } from '../../base/plural.js';
import { wrap } from './fit.js';
import { duration, table } from './output.js';
import { rejectionText } from './progress-view.js';

type Cell = (proof: StreamProof) => string | number;

const COLUMNS: readonly (readonly [title: string, cell: Cell])[] = [
  ['stream', ({ stream }) => stream],
  ['pages', ({ pages }) => pages],
  ['rows read', ({ counts }) => counts.read],
  ['inserted', ({ counts }) => counts.inserted],
  ['updated', ({ counts }) => counts.updated],
  ['unchanged', ({ counts }) => counts.unchanged],
  ['quarantined', ({ quarantined }) => quarantined],
  ['gaps', ({ gaps }) => gaps],
  ['overlaps', ({ overlaps }) => overlaps],
  ['open', ({ open }) => open],
  ['stored', ({ stored }) => stored],
  ['evidence', ({ evidence }) => evidence],
  ['proof', verdictOf],
];
/** What gives way on a narrow terminal: first what is 0 in every row, then these. */
const NEEDED_LEAST = ['evidence', 'pages', 'inserted', 'rows read', 'stored'];

/** `width`: columns of the terminal; what does not fit is left out, and said where it says something. */
export function proofTable(proofs: StreamProof[], width = Infinity): string {
  let shown = [...COLUMNS];
  const draw = () =>
    table(
      shown.map(([title]) => title),
      proofs.map((proof) => shown.map(([, cell]) => cell(proof))),
    );
  const fits = (text: string) => text.split('\n').every((line) => stringWidth(line) <= width);
  const drop = (title: string) => (shown = shown.filter(([name]) => name !== title));
  let text = draw();
  if (fits(text)) return text;
  const zeros = COLUMNS.filter(([, cell]) => proofs.every((proof) => cell(proof) === 0)).map(([title]) => title);
  for (const title of zeros) drop(title);
  text = draw();
  for (const title of NEEDED_LEAST) {
    if (fits(text)) break;
    drop(title);
    text = draw();
  }
  if (zeros.length === 0) return text;
  const said = `0 in all: ${zeros.join(', ')}`;
  return width < said.length ? text : `${text}\n${pc.dim(said)}`;
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

/** `width`: columns of the terminal that it is for. */
export function summaryText(summary: RunSummary, resume: string, width?: number): string {
  const lines: string[] = [];
  const proofs = summary.proofs.length > 0 ? `${proofTable(summary.proofs, width)}\n\n` : '';
  for (const problem of summary.problems) {
    lines.push(`${pc.yellow(problem.status)} ${problem.stream}: ${problem.message}`);
    if (problem.found) lines.push(`  found: ${problem.found}`);
    if (problem.next) lines.push(`  next: ${problem.next}`);
  }
  lines.push(...doubtLines(summary.proofs).map((line) => pc.yellow(line)));
  for (const text of summary.notes) lines.push(`note: ${text}`);
  const rate = summary.seconds > 0 ? `, ${count(summary.rows / summary.seconds)} rows/s` : '';
  lines.push(
    `${outcome(summary)} in ${duration(summary.seconds * 1000)}: ${countOf(summary.rows, 'row')}, ${countOf(summary.requests, 'request')}, ${summary.rejections} rejected${rejectionText(summary.rejectedFor)}${rate}`,
  );
  if (summary.outcome === 'paused') lines.push(`Everything that was fetched is committed. Continue with: ${resume}`);
  if (summary.outcome === 'partial') lines.push(`Run it again to go on where it stopped: ${resume}`);
  return proofs + wrap(lines.join('\n'), width ?? Infinity);
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
