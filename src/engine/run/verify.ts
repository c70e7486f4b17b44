/** Proves what is stored: against the ledger, and on request against the API by sampled parts of the span. */
import type { DestinationSession } from '../../destinations/contract.js';
import { SkippableError } from '../../base/errors.js';
import type { DataRecord, WriteMode } from '../../base/catalog.js';
import type { Random } from '../../base/random.js';
import type { Source, Stream } from '../../sources/contract.js';
import { isOneWay } from '../read/axes.js';
import { decodeStream, type StreamState } from '../../ledger/checkpoint.js';
import type { StreamProof } from '../report/events.js';
import { readBy } from './follow.js';
import { keyOf, NAMED, prove } from './proof.js';
import { differingFields } from './same-value.js';

export interface Sample {
  stream: string;
  /** The part of the span that was compared, positions. */
  gte: number;
  lt: number;
  /** Rows of the API there, and of those the ones that are not stored. */
  listed: number;
  missing: string[];
  /** Rows whose stored values are not those of the API, with the fields. */
  altered: string[];
  /** Stored rows that the API no longer lists: deleted since, or extra. */
  extra: string[];
  /** Stored rows that no run wrote, wherever they lie. */
  added: string[];
  /** What does not agree, in words that name the rows; empty where all does. */
  faults: string[];
}

export async function verifyLedger(
  session: DestinationSession,
  source: Source,
  mode: WriteMode,
): Promise<StreamProof[]> {
  const entries = await session.loadState();
  const counts = await session.counts();
  const proofs: StreamProof[] = [];
  for (const stream of source.streams) {
    if (!stream.stored) continue;
    const state = decodeStream(entries.filter((entry) => entry.stream === stream.name));
    if (!state) continue;
    const slices = readBy(stream, state.meta).division.kind === 'slices';
    const openSlices = [...state.slices.values()].reduce((sum, entry) => sum + entry.open.length, 0);
    proofs.push(
      await prove(
        session,
        {
          stream,
          mode,
          ledger: slices ? undefined : state.ledger,
          openSlices,
          complete: state.meta.complete,
          before: state.meta.before ?? 0,
          evidence: state.meta.evidence,
          held: state.meta.held,
        },
        counts,
      ),
    );
  }
  return proofs;
}

/** One request a sample: what the API lists below a random position must be stored, and nothing else may be. */
export async function verifyAgainstApi(
  session: DestinationSession,
  source: Source,
  samples: number,
  random: Random,
  signal: AbortSignal,
): Promise<Sample[]> {
  const entries = await session.loadState();
  const out: Sample[] = [];
  for (const stream of source.streams) {
    const { division } = stream;
    if (!stream.stored || division.kind !== 'range' || isOneWay(division)) continue;
    const state = decodeStream(entries.filter((entry) => entry.stream === stream.name));
    // What its `first` read lies on another axis.
    if (!state?.meta.complete || state.meta.first) continue;
    try {
      for (let i = 0; i < samples; i++)
        out.push(await sampleOnce(session, stream, state, i === 0 ? 1 : random.next(), signal));
    } catch (error) {
      if (!(error instanceof SkippableError)) throw error;
    }
  }
  return out;
}

async function sampleOnce(
  session: DestinationSession,
  stream: Stream,
  state: StreamState,
  share: number,
  signal: AbortSignal,
): Promise<Sample> {
  const division = stream.division as Extract<Stream['division'], { kind: 'range' }>;
  const { span } = state.ledger;
  const lt = Math.floor(span.gte + (span.lt - span.gte) * share);
  const page = await stream.page({ gte: null, lt, cursor: null, signal, weight: () => 0 });
  const positions = page.records.map(division.position).filter((position) => !Number.isNaN(position));
  // The lowest unit of the page may go on past its end: rows at it are looked for, but not expected to be all.
  const gte = page.hasMore ? Math.min(...positions) + division.unit : span.gte;
  const text = (record: DataRecord) => keyOf(stream, record);
  const stored = await session.lookup(stream.name, page.records);
  const missing = page.records.filter((_, i) => stored[i] === null).map(text);
  const altered = page.records.flatMap((record, i) => {
    const fields = stored[i] ? differingFields(record, stored[i]) : [];
    return fields.length > 0 ? [`${text(record)} (${fields.join(', ')})`] : [];
  });
  const field = positionField(stream, page.records);
  const listed = new Set(page.records.map(text));
  const extra =
    field === undefined || gte >= lt
      ? []
      : (await session.keysWithin(stream.name, field, gte, lt, page.records.length + 100))
          .map(text)
          .filter((key) => !listed.has(key));
  const added = (await session.strangers(stream.name, NAMED)).map(text);
  const found = { missing, altered, extra, added };
  return { stream: stream.name, gte, lt, listed: page.records.length, ...found, faults: faultsOf(stream, found) };
}

function faultsOf(
  { name, follow }: Stream,
  { missing, altered, extra, added }: Pick<Sample, 'missing' | 'altered' | 'extra' | 'added'>,
): string[] {
  const named = (keys: string[]) => `${keys.slice(0, NAMED).join(', ')}${keys.length > NAMED ? ', …' : ''}`;
  const fault = (keys: string[], what: string) =>
    keys.length > 0 ? [`${name}: ${keys.length} ${keys.length === 1 ? 'row' : 'rows'} ${what}: ${named(keys)}`] : [];
  return [
    ...fault(missing, 'of the API not stored'),
    ...fault(
      altered,
      'stored with values that are not those of the API (changed there since the last sync, changed here, or read at another version of it)',
    ),
    ...fault(added, 'stored that no run of Headrace wrote'),
    // Where deletions are not followed, a row that is gone from the API stays as it is.
    ...(follow.kind === 'cursor'
      ? []
      : fault(
          extra.filter((key) => !added.includes(key)),
          'stored that the API does not list',
        )),
  ];
}

/** The field that holds the position, found by its value. */
function positionField(stream: Stream, records: Record<string, unknown>[]): string | undefined {
  const division = stream.division as Extract<Stream['division'], { kind: 'range' }>;
  return Object.keys(stream.schema.properties ?? {}).find(
    (field) => records.length > 0 && records.every((record) => record[field] === division.position(record)),
  );
}
