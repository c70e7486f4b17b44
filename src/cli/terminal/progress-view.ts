/** Progress on stderr: drawn in place on a terminal, a plain line now and then elsewhere. */
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import type { LimitUse, Progress, StreamProgress, Wait } from '../../engine/report/events.js';
import { LIMITS } from '../../base/bounds.js';
import { cut, fit, padEnd, padStart, widthOf } from './fit.js';
import { count } from '../../base/plural.js';
import { duration, note, printable } from './output.js';

const DRAW_MS = 200;
const PLAIN_MS = 10_000;
/** Streams shown at once; the rest is summed up in a line. */
const MOST_STREAMS = 12;
/** Limits shown at once: those that are used most. */
const MOST_LIMITS = 4;
/** Of a terminal that does not say its size. */
const USUAL = { columns: 80, rows: 24 };
/** A bar takes a fifth of the line, within these. */
const BAR_CELLS = { least: 8, most: 28 };
const LEAST_NAME = 4;

export interface Size {
  columns: number;
  rows: number;
}

export class ProgressView {
  private snapshot: (() => Progress) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private drawn: string[] = [];
  private readonly live = process.stderr.isTTY === true && !process.env['CI'] && process.env['TERM'] !== 'dumb';
  private readonly redraw = () => this.tick();

  constructor(private readonly enabled: boolean) {}

  start(snapshot: () => Progress): void {
    this.snapshot = snapshot;
    if (!this.enabled || this.timer) return;
    this.timer = setInterval(this.redraw, this.live ? DRAW_MS : PLAIN_MS);
    this.timer.unref();
    if (this.live) process.stderr.on('resize', this.redraw);
    else note(startLine(snapshot()));
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    process.stderr.off('resize', this.redraw);
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
    if (!this.live) return note(plainLine(progress));
    const size = sizeOf(process.stderr);
    const lines = render(progress, size);
    // One write, so that nobody sees the drawing half erased; without wrapping, since a terminal may be narrower
    // already than it says, and each line must take one row all the same.
    const drawing = lines.map((line) => `\u001b[K${line}\n`).join('');
    process.stderr.write(`\u001b[?7l${this.upwards(size)}${drawing}\u001b[0J\u001b[?7h`);
    this.drawn = lines;
  }

  private erase(): void {
    if (this.drawn.length > 0) process.stderr.write(`${this.upwards(sizeOf(process.stderr))}\u001b[0J`);
    this.drawn = [];
  }

  /** To the first row of the drawing. A terminal that became narrower has wrapped what was drawn. */
  private upwards({ columns, rows }: Size): string {
    const wrapped = this.drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    const up = Math.min(wrapped, rows - 1);
    return up === 0 ? '' : `\u001b[${up}A\r`;
  }
}

function sizeOf({ columns, rows }: Partial<Size>): Size {
  return { columns: columns || USUAL.columns, rows: rows || USUAL.rows };
}

/**
 * The drawing: a line a stream, one for the whole, why it waits, and limits; never more rows than the terminal has.
 * Limits give way first, then streams, which are summed up.
 */
export function render(progress: Progress, { columns, rows }: Size): string[] {
  const waits = progress.waits.map((wait) =>
    pc.yellow(cut(`  waiting${timeText(wait)}: ${reasonText(wait)}`, columns)),
  );
  const total = pc.bold(totalText(progress, columns));
  // The last row is the cursor's.
  const room = Math.max(2, rows - 1) - 1;
  const below = waits.slice(0, Math.max(0, room - 2));
  const streams = streamLines(progress.streams, columns, room - below.length);
  const limits = limitLines(progress, columns).slice(0, Math.max(0, room - below.length - streams.length));
  return [...streams, total, ...below, ...limits];
}

const ORDER = { reading: 0, failed: 1, skipped: 1, paused: 1, waiting: 2, complete: 3 };

function streamLines(all: StreamProgress[], columns: number, room: number): string[] {
  const streams = all.toSorted((a, b) => ORDER[a.status] - ORDER[b.status] || b.expectedPages - a.expectedPages);
  const most = Math.min(MOST_STREAMS, streams.length > room ? room - 1 : room);
  const shown = streams.slice(0, Math.max(0, most));
  const layout = layoutOf(shown, columns);
  const lines = shown.map((stream) => streamLine(stream, layout, columns));
  const rest = streams.length - shown.length;
  if (rest > 0 && room > 0) {
    const complete = streams.filter((stream) => stream.status === 'complete').length;
    lines.push(pc.dim(cut(`  and ${rest} more (${complete} complete)`, columns)));
  }
  return lines;
}

const MARKS = {
  reading: pc.cyan('▸'),
  complete: pc.green('✓'),
  failed: pc.red('✗'),
  skipped: pc.yellow('–'),
  paused: pc.yellow('‖'),
  waiting: pc.dim('·'),
};

interface Layout {
  name: number;
  bar: number;
  /** Columns behind the bar that fit, with their widths. */
  behind: { column: Column; width: number }[];
}

type Column = keyof typeof COLUMNS;
const COLUMNS = {
  rows: (stream: StreamProgress) => `${count(stream.rows)} rows`,
  ranges: (stream: StreamProgress) =>
    stream.openSlices > 0
      ? `${count(stream.openSlices)} open`
      : stream.openRanges > 1
        ? `${stream.openRanges} ranges`
        : '',
  rate: (stream: StreamProgress) => (stream.limit && stream.status === 'reading' ? useText(stream.limit) : ''),
};
const GAP = 2;

/** What does not fit is left out: first the rate, then the ranges, then the rows; the name and the bar last. */
function layoutOf(streams: StreamProgress[], columns: number): Layout {
  const bar = Math.min(BAR_CELLS.most, Math.max(BAR_CELLS.least, Math.floor(columns / 5)));
  const room = columns - bar - 3;
  const name = Math.max(
    Math.min(LEAST_NAME, room),
    Math.min(room, Math.max(0, ...streams.map((stream) => widthOf(nameOf(stream))))),
  );
  const behind: Layout['behind'] = [];
  let left = room - name;
  for (const column of Object.keys(COLUMNS) as Column[]) {
    const width = Math.max(0, ...streams.map((stream) => widthOf(COLUMNS[column](stream))));
    if (width === 0) continue;
    if (width + GAP > left) break;
    left -= width + GAP;
    behind.push({ column, width });
  }
  return { name, bar, behind };
}

/** What comes from elsewhere, on one line and without colours of its own. */
const plain = (text: string) => stripVTControlCharacters(printable(text)).replaceAll(/\s+/g, ' ');
const nameOf = ({ name }: StreamProgress) => plain(name);

function streamLine(stream: StreamProgress, { name, bar: cells, behind }: Layout, columns: number): string {
  const start = `${MARKS[stream.status]} ${padEnd(cut(nameOf(stream), name), name)} ${bar(stream, cells)}`;
  const shown = stream.error === undefined ? behind : behind.slice(0, 1);
  const cell = ({ column, width }: Layout['behind'][number]) => {
    const text = COLUMNS[column](stream);
    const padded = column === 'rows' ? padStart(text, width) : padEnd(text, width);
    return `${' '.repeat(GAP)}${column === 'rows' ? padded : pc.dim(padded)}`;
  };
  const line = `${start}${shown.map(cell).join('')}`;
  if (stream.error === undefined) return line.trimEnd();
  const room = columns - widthOf(line) - GAP;
  const error = cut(plain(stream.error), room);
  return room > LEAST_NAME ? `${line}${' '.repeat(GAP)}${pc.red(error)}` : line;
}

/** The span from oldest to newest; ranges close out of order, so its parts fill out of order. */
export function bar(stream: Pick<StreamProgress, 'done' | 'status' | 'openSlices'>, cells: number): string {
  if (stream.status === 'complete') return pc.green('█'.repeat(cells));
  const filled = new Array<number>(cells).fill(0);
  for (const { from, to } of stream.done) {
    for (let cell = Math.max(0, Math.floor(from * cells)); cell < Math.min(cells, to * cells); cell++) {
      filled[cell]! += Math.max(0, Math.min(to * cells, cell + 1) - Math.max(from * cells, cell));
    }
  }
  return filled
    .map((share) =>
      share > 0.99 ? pc.cyan('█') : share > 0.5 ? pc.cyan('▓') : share > 0.001 ? pc.cyan('▒') : pc.dim('░'),
    )
    .join('');
}

/** `25.0 of 25/s, endpoint` */
function useText({ usedPerSecond, perSecond, name }: NonNullable<StreamProgress['limit']>): string {
  return perSecond === undefined
    ? `${usedPerSecond.toFixed(1)}/s, no limit known`
    : `${usedPerSecond.toFixed(1)} of ${rateText(perSecond)}, ${plain(name)}`;
}

function shareText({ requestsPerSecond, limitPerSecond }: Progress): string {
  if (limitPerSecond === undefined) return '';
  return ` (${Math.min(100, Math.round((100 * requestsPerSecond) / limitPerSecond))}% of the limit)`;
}

function totalText(progress: Progress, columns: number): string {
  const { rows, rowsPerSecond, requests, requestsPerSecond, rejections, rejectedFor, elapsedMs, leftMs, leftAtLeast } =
    progress;
  const rejected = `${rejections} rejected`;
  return fit(
    [
      { text: `${count(rows)} rows`, rank: 0 },
      { text: `${count(rowsPerSecond)} rows/s`, rank: 5 },
      { text: `${count(requests)} requests`, rank: 6 },
      { text: `${requestsPerSecond.toFixed(1)} requests/s${shareText(progress)}`, rank: 2 },
      { text: rejected + rejectionText(rejectedFor), rank: rejections > 0 ? 3 : 7 },
      { text: duration(elapsedMs), rank: 4 },
      { text: leftMs === undefined ? '' : `${leftAtLeast ? 'at least ' : ''}${duration(leftMs)} left`, rank: 1 },
    ],
    columns,
  );
}

/** How much of each limit is used, and how the limit was found out. */
function limitLines(progress: Progress, columns: number): string[] {
  const used = progress.limits
    .filter((limit) => limit.usedPerSecond > 0 || (limit.percent ?? 0) > 0)
    .toSorted((a, b) => (b.percent ?? 0) - (a.percent ?? 0));
  return used.slice(0, MOST_LIMITS).map((limit) => pc.dim(cut(`  limit ${limitText(limit)}`, columns)));
}

function limitText(limit: LimitUse): string {
  const known = limit.perSecond === undefined ? 'still unknown' : `${limit.percent}% of ${rateText(limit.perSecond)}`;
  const left =
    limit.remaining === undefined || limit.quota === undefined
      ? ''
      : `, ${count(limit.remaining)} of ${count(limit.quota)} left`;
  return `${plain(limit.name)}: ${known}${left} (${limit.knownBy})`;
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
  return plain(wait.limit === undefined ? wait.reason : `${wait.reason} (${wait.limit})`);
}

/** ` (endpoint rate 2)`; nothing where nobody said why. */
export function rejectionText(rejectedFor: Record<string, number>): string {
  const said = Object.entries(rejectedFor).filter(([reason]) => reason !== 'unlabelled');
  return said.length === 0 ? '' : ` (${said.map(([reason, times]) => `${reason} ${times}`).join(', ')})`;
}

/** What is told first where nothing can be drawn. */
export function startLine({ streams }: Progress): string {
  const names = streams.map(nameOf);
  const rest = names.length - MOST_STREAMS;
  const shown = names.slice(0, MOST_STREAMS).join(', ');
  return `reading ${names.length} ${names.length === 1 ? 'stream' : 'streams'}: ${shown}${rest > 0 ? ` and ${rest} more` : ''}`;
}

export function plainLine(progress: Progress): string {
  const done = progress.streams.filter((stream) => stream.status === 'complete').length;
  const waits = progress.waits.map((wait) => `, waiting${timeText(wait)} for ${reasonText(wait)}`).join('');
  return `${totalText(progress, Infinity)}; ${done} of ${progress.streams.length} streams complete${waits}`;
}
