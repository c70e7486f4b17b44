/** A borrower: reads parts of a run that another process leads, until that run is over. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../base/clock.js';
import type { Destination, DestinationSession, Loan, LoanBook } from '../../destinations/contract.js';
import { FatalError, LedgerConflictError, PausedError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import type { WriteMode } from '../../base/catalog.js';
import type { GateStatus } from '../../gate/gate.js';
import { mergesOf } from '../../ledger/ledger.js';
import type { Source } from '../../sources/contract.js';
import { decodeStream, WEAK_KEY } from '../../ledger/checkpoint.js';
import { parentOf, targetsOf, type Permits, type RunContext } from '../read/context.js';
import type { RunEvent } from '../report/events.js';
import { readBy } from '../run/follow.js';
import { recallSource } from '../run/source-memory.js';
import { ByteBudget } from '../read/memory.js';
import { RangeReader } from '../read/range-reader.js';
import { SliceReader } from '../read/slice-reader.js';
import { Writer } from '../write/writer.js';
import type { Watchdog } from '../run/watchdog.js';
import { watchPart } from './watch-part.js';

export interface PartOptions {
  source: Source;
  destination: Destination;
  permits: Permits;
  gateStatus?: (() => GateStatus) | undefined;
  shareBudget?: (() => Promise<() => Promise<void>>) | undefined;
  connection: string;
  /** The run that is helped. */
  run: string;
  /** This process's name in it. */
  borrower: string;
  mode: WriteMode;
  clock: Clock;
  signal: AbortSignal;
  emit?: ((event: RunEvent) => void) | undefined;
}

export interface PartSummary {
  parts: number;
  rows: number;
  pages: number;
  /** The run is over; else this process was asked to stop. */
  isOver: boolean;
}

const POLL_MS = 150;
/** A sign of life, and a look whether the part is still ours. */
const LOOK_MS = 400;
/** Nobody leads a run whose leader was not seen for so long. */
const LED_GRACE_MS = 3000;

export async function runPart(options: PartOptions): Promise<PartSummary> {
  const { source, destination, connection, run, borrower, mode, clock, signal } = options;
  setMaxListeners(0, signal);
  await recallSource(source, destination, { connection, runId: run, startedMs: clock.now(), signal });
  const session = await destination.open({
    connection,
    runId: run,
    streams: targetsOf(source.streams, mode),
    readOnly: false,
    beside: true,
    startedMs: clock.now(),
    signal,
    onWait: ({ reason }) => options.emit?.({ type: 'wait', reason, ms: 0 }),
  });
  const summary: PartSummary = { parts: 0, rows: 0, pages: 0, isOver: false };
  let leave: (() => Promise<void>) | undefined;
  try {
    const book = session.loans;
    if (!book)
      throw new FatalError('this destination is written by one process at a time', {
        code: 'not_shared',
        place: destination.description,
      });
    leave = await options.shareBudget?.();
    while (!signal.aborted) {
      const loan = await borrow(book, options, run, borrower);
      if (!loan) {
        summary.isOver = !signal.aborted;
        break;
      }
      const { rows, pages } = await readLoan(loan, session, book, options);
      summary.parts++;
      summary.rows += rows;
      summary.pages += pages;
    }
    return summary;
  } finally {
    await leave?.();
    await session.close();
  }
}

/**
 * Asks until something is lent; undefined: nobody leads the run any more, or this process shall stop. It must not hold
 * the slot that a next leader needs.
 */
async function borrow(
  book: LoanBook,
  { clock, signal, emit }: PartOptions,
  run: string,
  borrower: string,
): Promise<Loan | undefined> {
  let id: number | undefined;
  let aloneSinceMs: number | undefined;
  const sinceMs = clock.monotonic();
  let isTold = false;
  while (!signal.aborted && !(await book.isRunOver(run))) {
    // A leader whose connection was cut takes its lock again within moments.
    if (await book.isLed(run)) aloneSinceMs = undefined;
    else if (clock.monotonic() - (aloneSinceMs ??= clock.monotonic()) > LED_GRACE_MS) break;
    id ??= await book.ask(run, borrower);
    const loan = await book.look(id);
    if (loan?.state === 'granted') return loan;
    if (!loan) id = undefined;
    if (!isTold && clock.monotonic() - sinceMs >= LIMITS.quietMs) {
      isTold = true;
      emit?.({ type: 'wait', reason: "the run's leader, to lend a part", ms: 0 });
    }
    await clock.sleep(POLL_MS, signal);
  }
  if (id !== undefined) await book.end(id);
  return undefined;
}

async function readLoan(
  loan: Loan,
  session: DestinationSession,
  book: LoanBook,
  options: PartOptions,
): Promise<{ rows: number; pages: number }> {
  const { source, clock, signal } = options;
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const onAbort = () => stop.abort();
  // It may have been asked to stop while the part was granted.
  if (signal.aborted) stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  let recalled = false;
  const watching = watch();
  let watchdog: Watchdog | undefined;
  try {
    const { readers, writer } = await opened(loan, session, source, { ...options, signal: stop.signal });
    const [range, ...children] = readers;
    const tell = (message: string) => options.emit?.({ type: 'note', message });
    watchdog = watchPart(readers, writer, { ...options, session, tell }, onAbort);
    const reading = [
      range.run().finally(() => children.forEach((child) => child.parentEnded())),
      ...children.map((child) => child.run()),
    ];
    // One that fails stops the others: nobody commits any more when the part is given back.
    for (const each of reading) each.catch(() => stop.abort());
    const ends = await Promise.race([Promise.allSettled(reading), watchdog.stalled]);
    const failure = ends
      .map((end) => (end.status === 'rejected' ? (end.reason as unknown) : undefined))
      .find((reason) => reason !== undefined && !(reason instanceof PausedError));
    // What is not ours any more its new owner reads on; a conflict is how that may be learned first.
    if (failure !== undefined && !recalled && !(failure instanceof LedgerConflictError)) throw failure;
    if (ends.every((end) => end.status === 'fulfilled')) await range.apply(mergesOf(range.ledger));
    return [range, ...children].reduce(
      (sum, reader) => ({ rows: sum.rows + reader.rows, pages: sum.pages + reader.pages }),
      { rows: 0, pages: 0 },
    );
  } finally {
    watchdog?.close();
    stop.abort();
    signal.removeEventListener('abort', onAbort);
    await watching;
    if (!recalled) await book.giveBack(loan.id);
  }

  async function watch(): Promise<void> {
    while (!stop.signal.aborted) {
      await clock.sleep(LOOK_MS, stop.signal);
      if (stop.signal.aborted) return;
      const known = await book.look(loan.id).catch(() => undefined);
      if (known?.state === 'granted' && !(await book.isRunOver(options.run).catch(() => false))) continue;
      recalled = !known;
      stop.abort();
    }
  }
}

/** The reader of the lent range, and those of the children that its rows open. */
async function opened(
  loan: Loan,
  session: DestinationSession,
  source: Source,
  options: PartOptions,
): Promise<{ readers: [RangeReader, ...SliceReader[]]; writer: Writer }> {
  const { permits, clock, signal, mode } = options;
  const entries = await session.loadState();
  const stateOf = (stream: string) => decodeStream(entries.filter((entry) => entry.stream === stream));
  const state = stateOf(loan.stream);
  const known = source.streams.find((candidate) => candidate.name === loan.stream);
  const stream = known && readBy(known, state?.meta);
  const range = state?.ledger.ranges.get(loan.range);
  if (!stream || !state || !range)
    throw new FatalError(`part ${loan.range} of ${loan.stream} is not there`, {
      code: 'loan_misfit',
      expected: 'a range of the ledger',
      found: 'none',
    });
  const memory = new ByteBudget(LIMITS.bufferedBytes);
  const writer = new Writer(session, memory, clock);
  const context: RunContext = {
    session,
    permits,
    memory,
    clock,
    signal,
    emit: options.emit ?? (() => {}),
    kick: () => writer.kick(),
    planner: 'adaptive',
    mode,
    acceptDeletions: [],
    note: () => {},
  };
  const children: SliceReader[] = [];
  const reader: { of?: RangeReader } = {};
  for (const child of source.streams.filter((candidate) => parentOf(candidate) === loan.stream)) {
    const own = stateOf(child.name);
    if (own && !own.meta.complete)
      children.push(
        new SliceReader(
          child,
          context,
          [],
          own.meta,
          new Map(),
          own.weak,
          () => reader.of?.pump(),
          `${WEAK_KEY}/${loan.range}`,
        ),
      );
  }
  const ledger = { span: state.meta.span, nextId: loan.firstId, ranges: new Map([[range.id, range]]) };
  reader.of = new RangeReader(
    stream,
    context,
    children,
    state.meta,
    ledger,
    new Map([[range.id, state.versions.get(range.id)!]]),
  );
  for (const each of [reader.of, ...children]) writer.add(each);
  return { readers: [reader.of, ...children], writer };
}
