/** One run of one connection: plan -> read -> write -> commit -> checkpoint -> prove. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../base/clock.js';
import type { Destination, DestinationSession, StateEntry, StateWrite } from '../../destinations/contract.js';
import { codeOf, HeadraceError, messageOf, PausedError } from '../../base/errors.js';
import type { GateStatus } from '../../gate/gate.js';
import { LIMITS } from '../../base/bounds.js';
import { Lender } from '../share/lender.js';
import { LimitMemory, type LimitKeeper } from './limit-memory.js';
import type { WriteMode } from '../../base/catalog.js';
import type { Account, Source, Stream } from '../../sources/contract.js';
import { openChanges } from './changes.js';
import { parentOf, targetsOf, type Permits, type RunContext } from '../read/context.js';
import type { Progress, RunEvent, RunOutcome, RunSummary } from '../report/events.js';
import { openStream, readerOf, type OpenInput } from './follow.js';
import type { StreamMeta } from '../../ledger/checkpoint.js';
import { ByteBudget } from '../read/memory.js';
import { ProgressMeter } from '../report/progress.js';
import { prove } from './proof.js';
import { RangeReader } from '../read/range-reader.js';
import { SliceReader } from '../read/slice-reader.js';
import { StreamRun } from './stream-run.js';
import { Watchdog } from './watchdog.js';
import { Writer } from '../write/writer.js';

/** What a sync works with. */
export interface SyncOptions {
  source: Source;
  destination: Destination;
  permits: Permits;
  gateStatus: () => GateStatus;
  /** Keeps what is learned of the limits between runs. */
  limits?: LimitKeeper | undefined;
  /** Called once the destination is open; what it returns, at the end. */
  shareBudget?: (() => Promise<() => Promise<void>>) | undefined;
  /** The check of the credential, where it was begun already. */
  account?: Promise<Account> | undefined;
  connection: string;
  runId: string;
  mode: WriteMode;
  clock: Clock;
  /** Aborting pauses the run: what was fetched is committed, and a later run goes on. */
  signal: AbortSignal;
  planner?: 'adaptive' | 'uniform';
  /**
   * Streams to read again although they are complete: all of them, or one, or a part of one. Asked once, done once:
   * `request` tells.
   */
  again?:
    { request: string; stream?: string | undefined; gte?: number | undefined; lt?: number | undefined } | undefined;
  /** Streams whose missing rows are deleted, however many they are. */
  acceptDeletions?: string[] | undefined;
  emit?: ((event: RunEvent) => void) | undefined;
  /** Receives a function that takes a snapshot, for who draws progress. */
  onProgress?: ((snapshot: () => Progress) => void) | undefined;
}

/** Positions before this are no unix seconds of any API: the default start of a history, 2008-01-01. */
const EARLIEST_SECOND = 1_199_145_600;

/** A database that crashes again and again while a run is under way is no place to go on. */
const MOST_CRASHES = 10;

/** Copies every stream of a source into a destination, and proves the result. */
export async function runSync(options: SyncOptions): Promise<RunSummary> {
  for (let crashes = 1; ; crashes++) {
    try {
      return await runOnce(crashes === 1 ? options : { ...options, account: undefined });
    } catch (error) {
      // What this run knew of the ledger is not stored any more: it begins where the stored one stands.
      if (codeOf(error) !== 'commits_forgotten' || crashes >= MOST_CRASHES || options.signal.aborted) throw error;
      options.emit?.({ type: 'note', message: `${messageOf(error)}; it is read on from what is stored` });
    }
  }
}

async function runOnce(given: SyncOptions): Promise<RunSummary> {
  const halt = new AbortController();
  const options = { ...given, signal: AbortSignal.any([given.signal, halt.signal]) };
  const { source, destination, connection, runId, mode, signal, clock } = options;
  const startedMs = clock.monotonic();
  setMaxListeners(0, signal); // every request in flight and every reader listens
  const account = await (options.account ?? source.account?.(signal) ?? source.check(signal));
  const targets = targetsOf(source.streams, mode);
  const session = await destination.open({
    connection,
    runId,
    streams: targets,
    readOnly: false,
    startedMs: clock.now(),
    signal,
    onWait: (wait) =>
      options.emit?.({ type: 'wait', reason: wait.reason, ms: Math.max(0, (wait.untilMs ?? 0) - clock.monotonic()) }),
  });
  let limitMemory: LimitMemory | undefined;
  let lender: Lender | undefined;
  let leaveBudget: (() => Promise<void>) | undefined;
  let watchdog: Watchdog | undefined;
  try {
    const notes: string[] = [];
    const emit = options.emit ?? (() => {});
    const memory = new ByteBudget(LIMITS.bufferedBytes);
    const writer = new Writer(session, memory, clock);
    const note = (message: string) => {
      notes.push(message);
      emit({ type: 'note', message });
    };
    const context: RunContext = {
      session,
      permits: options.permits,
      memory,
      clock,
      signal,
      emit,
      kick: () => writer.kick(),
      planner: options.planner ?? 'adaptive',
      mode: followed(options),
      acceptDeletions: options.acceptDeletions ?? [],
      note,
    };
    emit({ type: 'started', runId, connection, account: account.id, streams: targets.map((target) => target.name) });

    await session.loans?.recall();
    const entries = await session.loadState();
    limitMemory = options.limits && new LimitMemory(options.limits, session, clock, entries);
    leaveBudget = await options.shareBudget?.();
    const changes = openChanges(
      options.again?.stream === undefined ? source : { ...source, changes: undefined },
      entries,
      account,
    );
    if (changes.notice) note(changes.notice);
    if (changes.before.length > 0) await session.writeState(changes.before);
    const runs = await planStreams(options, context, writer, entries, account, changes.lost);
    const meter = new ProgressMeter(
      runId,
      runs,
      options.permits,
      options.gateStatus,
      memory,
      clock,
      startedMs,
      session,
    );
    options.onProgress?.(() => meter.snapshot());

    lender = session.loans && new Lender(session, session.loans, runId, runs, clock, note);
    watchdog = watch(options, runs, { meter, writer, memory, lender }, note, () => halt.abort());
    await Promise.race([Promise.all([...runs.values()].map((run) => run.run())), watchdog.stalled]);
    await lender?.close();
    if (!signal.aborted && changes.stream) {
      const run = new StreamRun(changes.stream, [], context, writer, changes.opened!, changes.history, () => {});
      runs.set(run.stream.name, run);
      await session.writeState(changes.opened!.writes);
      await Promise.race([run.run(), watchdog.stalled]);
    } else if (!signal.aborted && changes.after.length > 0) await session.writeState(changes.after);

    watchdog.close();
    return await conclude(options, session, runs, notes, meter, startedMs);
  } finally {
    watchdog?.close();
    await lender?.close();
    await leaveBudget?.();
    await limitMemory?.close();
    await session.close();
  }
}

interface WatchedParts {
  meter: ProgressMeter;
  writer: Writer;
  memory: ByteBudget;
  lender: Lender | undefined;
}

function watch(
  { clock, gateStatus, permits }: SyncOptions,
  runs: ReadonlyMap<string, StreamRun>,
  { meter, writer, memory, lender }: WatchedParts,
  tell: (message: string) => void,
  stop: () => void,
): Watchdog {
  const isLent = () => reading().some(({ reader }) => reader instanceof RangeReader && reader.isShared);
  const reading = () => [...runs.values()].filter((run) => run.status === 'reading');
  return new Watchdog({
    clock,
    pulse: () => {
      const { requests, rejections } = gateStatus();
      return [
        requests,
        rejections,
        ...[...runs.values()].map((run) => `${run.status} ${run.rows} ${run.pages}`),
      ].join();
    },
    isWaiting: () =>
      meter.isWaiting() || (permits.waits?.() ?? []).length > 0 || (isLent() && lender?.isWatching === true),
    standing: () => [
      ...reading().map((run) => `${run.stream.name}: ${run.reader.standing()}`),
      `writer: ${writer.committing} commits under way`,
      `memory: ${memory.inUse} of ${memory.limit} bytes${memory.full ? ', pages wait for room' : ''}`,
      ...reading().flatMap(({ stream, reader }) =>
        reader instanceof RangeReader && reader.isShared ? [`${stream.name}: parts are lent to other workers`] : [],
      ),
    ],
    tell,
    stop,
  });
}

/** Where rows are only added, nothing is read twice for safety: it would stand there twice. */
function followed({ destination, mode }: SyncOptions): WriteMode {
  return destination.addsOnly === true && mode === 'upsert' ? 'append' : mode;
}

/** A stream may end before the present, or after it, by its own account. */
function historyOf({ division }: Stream, history: { gte: number; lt: number }): { gte: number; lt: number } {
  if (division.kind !== 'range' || division.end === undefined) return history;
  const start = division.start ?? history.gte;
  return { gte: Math.min(history.gte, start), lt: Math.max(Math.ceil(division.end(history.lt)), start + 1) };
}

/**
 * Opens every stream's ledger, children before their parents, and writes what begins anew: a family in one transaction,
 * or a crash between would leave children that wait for parents which are not read again.
 */
async function planStreams(
  options: SyncOptions,
  context: RunContext,
  writer: Writer,
  entries: StateEntry[],
  account: Account,
  changesLost: (stream: string) => boolean,
): Promise<Map<string, StreamRun>> {
  const { source } = options;
  const mode = followed(options);
  const lt = Math.floor(account.serverTimeMs / 1000);
  const history = {
    gte: Math.min(account.createdMs === undefined ? EARLIEST_SECOND : Math.floor(account.createdMs / 1000), lt - 1),
    lt,
  };
  const byStream = new Map<string, StateEntry[]>();
  for (const entry of entries) byStream.set(entry.stream, [...(byStream.get(entry.stream) ?? []), entry]);
  const runs = new Map<string, StreamRun>();
  const open = async (stream: Stream, writes: StateWrite[]): Promise<StreamRun> => {
    const known = runs.get(stream.name);
    if (known) return known;
    const children: StreamRun[] = [];
    for (const child of source.streams.filter((candidate) => parentOf(candidate) === stream.name))
      children.push(await open(child, writes));
    const own = byStream.get(stream.name) ?? [];
    const reader = readerOf(stream, own, lt);
    const opened = openStream({
      stream: reader,
      mode,
      history: historyOf(reader, history),
      entries: own,
      changesLost: changesLost(stream.name),
      again: askedFor(stream.name, options.again),
      isFirst: reader !== stream,
      childrenMissing: children.some((child) => child.pending && child.needsParents) && byStream.has(stream.name),
    });
    if (opened.note) context.note(opened.note);
    if (stream.stored && opened.restart) await context.session.restart(stream.name);
    else if (stream.stored && opened.meta.mode !== 'extend' && opened.writes.length > 0)
      await beginAccount(context.session, stream.name, opened.meta);
    for (const write of opened.writes) writes.push(write);
    let run: StreamRun;
    const parent = () => [...runs.values()].find((candidate) => candidate.children.includes(run));
    // A child that has all it needs is not fed again when its parent is read for its own sake.
    run = new StreamRun(
      reader,
      children.filter((child) => child.pending),
      context,
      writer,
      opened,
      historyOf(reader, history),
      () => parent()?.reader.pump(),
    );
    runs.set(stream.name, run);
    return run;
  };
  for (const stream of source.streams.filter((candidate) => parentOf(candidate) === undefined)) {
    const writes: StateWrite[] = [];
    await open(stream, writes);
    if (writes.length > 0) await context.session.writeState(writes);
  }
  return runs;
}

function askedFor(stream: string, again: SyncOptions['again']): OpenInput['again'] {
  if (!again || (again.stream !== undefined && again.stream !== stream)) return undefined;
  const { request, gte, lt } = again;
  return {
    request,
    part: again.stream === undefined || (gte === undefined && lt === undefined) ? undefined : { gte, lt },
  };
}

/**
 * What is read whole is accounted for from what is stored now: rows that came or went by other hands, and rows of
 * another connection, are no part of this ledger's proof.
 */
async function beginAccount(session: DestinationSession, stream: string, meta: StreamMeta): Promise<void> {
  const before = await session.beginAccount(stream);
  // The entry is part of the writes: what it holds is what is stored.
  if (before > 0) meta.before = before;
  else delete meta.before;
}

async function conclude(
  options: SyncOptions,
  session: DestinationSession,
  runs: Map<string, StreamRun>,
  notes: string[],
  meter: ProgressMeter,
  startedMs: number,
): Promise<RunSummary> {
  const { mode, clock, gateStatus } = options;
  const list = [...runs.values()];
  const counts = await session.counts();
  const proofs = [];
  for (const run of list) {
    if (!run.stream.stored || run.stream === options.source.changes) continue;
    const { reader } = run;
    const ledger = reader instanceof RangeReader ? reader.ledger : undefined;
    const proof = await prove(
      session,
      {
        stream: run.stream,
        mode,
        ledger,
        openSlices: reader instanceof SliceReader ? reader.openSlices : 0,
        complete: run.meta.complete,
        before: run.meta.before ?? 0,
        evidence: run.meta.evidence,
        held: run.meta.held,
      },
      counts,
    );
    proofs.push(proof);
    if (proof.faults.length === 0 && mode === 'replace' && run.rows > 0) await session.publish(run.stream.name);
    if (proof.quarantined > 0) notes.push(`${proof.stream}: ${proof.quarantined} rows are in _headrace_quarantine`);
  }
  notes.push(...(options.source.notes?.() ?? []));
  const problems = list
    .filter((run) => run.error !== undefined && run.status !== 'paused')
    .map((run) => ({
      stream: run.stream.name,
      status: run.status,
      message: messageOf(run.error),
      code: run.error instanceof HeadraceError ? run.error.code : 'unexpected',
      next: run.error instanceof HeadraceError ? run.error.next : undefined,
    }));
  const status = gateStatus();
  const summary: RunSummary = {
    runId: options.runId,
    connection: options.connection,
    outcome: outcomeOf(
      list,
      proofs.every((proof) => proof.faults.length === 0 && proof.quarantined === 0),
    ),
    seconds: (clock.monotonic() - startedMs) / 1000,
    requests: status.requests,
    rejections: status.rejections,
    rejectedFor: status.rejectedFor,
    rows: list.reduce((sum, run) => sum + run.rows, 0),
    pages: list.reduce((sum, run) => sum + run.pages, 0),
    proofs,
    problems,
    notes,
  };
  await session.finishRun(summary.outcome, { ...summary, progress: undefined });
  meter.stop();
  options.emit?.({ type: 'finished', summary });
  return summary;
}

function outcomeOf(runs: StreamRun[], proven: boolean): RunOutcome {
  if (runs.some((run) => run.error instanceof PausedError)) return 'paused';
  const wanted = runs.filter((run) => run.stream.stored);
  if (wanted.length > 0 && wanted.every((run) => run.status === 'failed')) return 'failed';
  return proven && runs.every((run) => run.status === 'complete') ? 'complete' : 'partial';
}
