/** Progress on stderr: drawn in place on a terminal, a plain line now and then elsewhere. */
import pc from 'picocolors';
import type { Progress, StreamProgress, Wait } from '../../engine/report/events.js';
import { LIMITS } from '../../base/bounds.js';
import { count, duration, note, printable } from './output.js';

const BAR_CELLS = 28;
const DRAW_MS = 200;
const PLAIN_MS = 5_000;
/** Streams shown at once; the rest is summed up in a line. */
const MOST_LINES = 12;

export class ProgressView {
  private snapshot: (() => Progress) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private drawn = 0;
  private readonly live = process.stderr.isTTY === true && !process.env['CI'] && process.env['TERM'] !== 'dumb';

  constructor(private readonly enabled: boolean) {}

  start(snapshot: () => Progress): void {
    this.snapshot = snapshot;
    if (!this.enabled) return;
    this.timer = setInterval(() => this.tick(), this.live ? DRAW_MS : PLAIN_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.erase();
  }

  /** Writes a line above the drawing. */
  say(text: string): void {
    this.erase();
    note(text);
  }

  private tick(): void {
    if (!this.snapshot) return;
    const progress = this.snapshot();
    if (!this.live) {
      note(plainLine(progress));
      return;
    }
    this.erase();
    const lines = render(progress, process.stderr.columns ?? 80);
    process.stderr.write(lines.map((line) => `${printable(line)}\n`).join(''));
    this.drawn = lines.length;
  }

  private erase(): void {
    if (this.drawn > 0) process.stderr.write(`\u001b[${this.drawn}A\u001b[0J`);
    this.drawn = 0;
  }
}

/** The drawing, a line a stream and one for the whole. */
export function render(progress: Progress, columns: number): string[] {
  const order = { reading: 0, failed: 1, skipped: 1, paused: 1, waiting: 2, complete: 3 };
  const streams = progress.streams.toSorted(
    (a, b) => order[a.status] - order[b.status] || b.expectedPages - a.expectedPages,
  );
  const shown = streams.slice(0, MOST_LINES);
  const width = Math.max(...shown.map((stream) => stream.name.length), 8);
  const lines = shown.map((stream) => streamLine(stream, width).slice(0, columns + 40));
  const rest = streams.length - shown.length;
  if (rest > 0)
    lines.push(
      pc.dim(`  and ${rest} more (${streams.filter((stream) => stream.status === 'complete').length} complete)`),
    );
  lines.push(pc.bold(totalLine(progress)));
  lines.push(...limitLines(progress));
  for (const wait of progress.waits) lines.push(pc.yellow(`  waiting${timeText(wait)}: ${reasonText(wait)}`));
  return lines;
}

function streamLine(stream: StreamProgress, width: number): string {
  const marks = {
    reading: pc.cyan('▸'),
    complete: pc.green('✓'),
    failed: pc.red('✗'),
    skipped: pc.yellow('–'),
    paused: pc.yellow('‖'),
    waiting: pc.dim('·'),
  };
  const detail =
    stream.error ??
    (stream.openSlices > 0
      ? `${count(stream.openSlices)} open`
      : stream.openRanges > 1
        ? `${stream.openRanges} ranges`
        : '');
  return `${marks[stream.status]} ${stream.name.padEnd(width)} ${bar(stream)} ${count(stream.rows).padStart(11)} rows  ${pc.dim(detail)}`;
}

/** The span from oldest to newest; ranges close out of order, so its parts fill out of order. */
export function bar(stream: Pick<StreamProgress, 'done' | 'status' | 'openSlices'>): string {
  if (stream.status === 'complete') return pc.green('█'.repeat(BAR_CELLS));
  const filled = new Array<number>(BAR_CELLS).fill(0);
  for (const { from, to } of stream.done) {
    for (let cell = Math.max(0, Math.floor(from * BAR_CELLS)); cell < Math.min(BAR_CELLS, to * BAR_CELLS); cell++) {
      filled[cell]! += Math.max(0, Math.min(to * BAR_CELLS, cell + 1) - Math.max(from * BAR_CELLS, cell));
    }
  }
  return filled
    .map((share) =>
      share > 0.99 ? pc.cyan('█') : share > 0.5 ? pc.cyan('▓') : share > 0.001 ? pc.cyan('▒') : pc.dim('░'),
    )
    .join('');
}

function totalLine(progress: Progress): string {
  const limit =
    progress.limitPerSecond === undefined
      ? ''
      : ` (${Math.round((100 * progress.requestsPerSecond) / progress.limitPerSecond)}% of the limit)`;
  const left =
    progress.leftMs === undefined
      ? ''
      : `, ${progress.leftAtLeast ? 'at least ' : ''}${duration(progress.leftMs)} left`;
  return `${count(progress.rows)} rows, ${count(progress.rowsPerSecond)}/s; ${count(progress.requests)} requests, ${progress.requestsPerSecond.toFixed(1)}/s${limit}, ${progress.rejections} rejected${rejectionText(progress.rejectedFor)}; ${duration(progress.elapsedMs)}${left}`;
}

/** Limits shown at once: those that are used most. */
const MOST_LIMITS = 4;

/** How much of each limit is used, and how the limit was found out. */
function limitLines(progress: Progress): string[] {
  const used = progress.limits
    .filter((limit) => limit.usedPerSecond > 0 || (limit.percent ?? 0) > 0)
    .toSorted((a, b) => (b.percent ?? 0) - (a.percent ?? 0));
  return used.slice(0, MOST_LIMITS).map((limit) => {
    const known =
      limit.perSecond === undefined ? 'limit still unknown' : `${limit.percent}% of ${rateText(limit.perSecond)}`;
    const left =
      limit.remaining === undefined || limit.quota === undefined
        ? ''
        : `, ${count(limit.remaining)} of ${count(limit.quota)} left`;
    return pc.dim(`  limit ${limit.name}: ${known}${left} (${limit.knownBy})`);
  });
}

export function rateText(perSecond: number): string {
  if (perSecond >= 1) return `${Number(perSecond.toPrecision(3))}/s`;
  return perSecond * 3600 >= 1
    ? `${Number((perSecond * 3600).toPrecision(3))}/h`
    : `${Number((perSecond * 86_400).toPrecision(3))}/day`;
}

/** What remains, else how long it has lasted: nobody may know when a ban ends. */
function timeText(wait: Wait): string {
  if (wait.ms > LIMITS.visibleWaitMs) return ` ${duration(wait.ms)}`;
  return (wait.forMs ?? 0) > LIMITS.visibleWaitMs ? ` since ${duration(wait.forMs!)}` : '';
}

function reasonText(wait: Wait): string {
  return wait.limit === undefined ? wait.reason : `${wait.reason} (${wait.limit})`;
}

/** ` (endpoint rate 2)`; nothing where nobody said why. */
export function rejectionText(rejectedFor: Record<string, number>): string {
  const said = Object.entries(rejectedFor).filter(([reason]) => reason !== 'unlabelled');
  return said.length === 0 ? '' : ` (${said.map(([reason, times]) => `${reason} ${times}`).join(', ')})`;
}

export function plainLine(progress: Progress): string {
  const done = progress.streams.filter((stream) => stream.status === 'complete').length;
  const waits = progress.waits.map((wait) => `, waiting${timeText(wait)} for ${reasonText(wait)}`).join('');
  return `${totalLine(progress)}; ${done} of ${progress.streams.length} streams complete${waits}`;
}
