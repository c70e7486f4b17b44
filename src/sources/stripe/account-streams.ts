/** The streams of one account: the key's own, or a connected one whose rows share tables with others and are marked. */
import type { DataRecord } from '../../base/catalog.js';
import { slicesOf } from '../../base/bytes/sliced-record.js';
import { SliceGoneError } from '../../base/errors.js';
import type { ChangeStream, Division, Page, PageRequest, RecordGroup, Stream } from '../contract.js';
import { isNamed, unchosenParents } from './chosen-streams.js';
import type { StripeConfig } from './config.js';
import type { StripeMemory } from './memory.js';
import { changedBy, namedObject, toldBy, type Told } from './changes.js';
import { endpointOf, isMissing, PAGE_ROWS, type StripeReader } from './reader.js';
import { schemaOf } from './schemas.js';
import { PRODUCT_OF_GROUP } from './facts.js';
import { STREAMS, type StreamDefinition } from './streams.js';

/** Marks rows of a connected account. */
export const ACCOUNT_FIELD = '_headrace_account';
/** Stripe keeps events for 30 days. */
const EVENTS_KEPT_SECONDS = 30 * 86_400;
/** Events may be listed a little after what they tell. */
const CHANGES_LOOKBACK_SECONDS = 600;

export class AccountStreams {
  /** Read after all, since their parents and the memory allow it. */
  private readonly read: StreamDefinition[];
  readonly streams: Stream[];

  constructor(
    private readonly reader: StripeReader,
    private readonly config: StripeConfig,
    private readonly chosen: readonly StreamDefinition[],
    private readonly memory: StripeMemory,
    private readonly start: number,
  ) {
    const all = [...chosen, ...unchosenParents(chosen)];
    this.read = all.filter((definition) => this.isOffered(definition, all));
    this.streams = this.read.map((definition) => this.stream(definition));
  }

  /** The name of a stream of this account. */
  nameOf(definition: StreamDefinition): string {
    const { account } = this.reader;
    return account === undefined ? definition.name : `${definition.name}@${account}`;
  }

  /** Why streams are left out that were asked for. */
  leftOut(): { stream: string; reason: string }[] {
    return this.chosen.flatMap((definition) => {
      const reason = this.read.includes(definition) ? undefined : this.memory.leftOut(this.nameOf(definition));
      return reason === undefined ? [] : [{ stream: this.nameOf(definition), reason }];
    });
  }

  /** A stream is not asked for while it is known that it cannot be read, and neither are its children. */
  private isOffered(definition: StreamDefinition, all: readonly StreamDefinition[]): boolean {
    if (!isNamed(this.config, definition.name) && this.memory.leftOut(this.nameOf(definition)) !== undefined)
      return false;
    const { shape } = definition;
    const parent = typeof shape === 'object' ? all.find(({ name }) => name === shape.parent) : undefined;
    return parent === undefined || this.isOffered(parent, all);
  }

  private stream(definition: StreamDefinition): Stream {
    const { account } = this.reader;
    const { key } = definition;
    const keep = keptOf(definition);
    const fields = this.config.fields?.[definition.name];
    const { schema, isHint } = schemaOf(definition, this.memory.version, keep, fields);
    const wanted = wantedOf(this.config, definition);
    const name = this.nameOf(definition);
    return {
      name,
      group: definition.group,
      schema: account === undefined ? schema : withAccount(schema),
      ...(isHint ? { schemaIsHint: true } : {}),
      primaryKey: account === undefined ? key : [ACCOUNT_FIELD, ...key],
      ...(account === undefined ? {} : { part: { of: definition.name, field: ACCOUNT_FIELD, value: account } }),
      division: this.division(definition),
      follow: definition.follow,
      stored: this.chosen.includes(definition),
      endpoint: endpointOf(definition),
      page: async (request) => {
        const page = await this.reader
          .page(definition, request)
          .catch(asSliceGone(request))
          .catch(this.leaving(definition));
        this.memory.found(name);
        return { ...page, records: page.records.map((record) => this.finished(record, wanted)) };
      },
    };
  }

  /** Rows as they are stored: the fields that are wanted, and the account that they are of. */
  private finished(record: DataRecord, wanted: ReadonlySet<string> | undefined): DataRecord {
    const { account } = this.reader;
    if (slicesOf(record)) return record; // they know which fields are wanted
    const kept = wanted ? Object.fromEntries(Object.entries(record).filter(([field]) => wanted.has(field))) : record;
    if (account !== undefined) kept[ACCOUNT_FIELD] = account;
    return kept;
  }

  /** An address that does not exist is a product that the account lacks, where it is of one. */
  private leaving(definition: StreamDefinition): (error: unknown) => never {
    return (error) => {
      const isUnknown = isMissing(error) && PRODUCT_OF_GROUP[definition.group] !== undefined;
      this.memory.leave(this.nameOf(definition), error, isUnknown);
      throw error;
    };
  }

  private division({ shape, position, order, api, path }: StreamDefinition): Division {
    const pageRows = PAGE_ROWS[api];
    if (shape === 'chain') return { kind: 'chain', pageRows };
    if (shape !== 'range') {
      const parent = STREAMS.find(({ name }) => name === shape.parent)!; // of the same table
      const [field, value] = shape.unless?.split('=') ?? [];
      const hasNone = (row: DataRecord) =>
        row['deleted'] === true || (field !== undefined && String(row[field]) === value);
      return {
        kind: 'slices',
        pageRows,
        of: { parent: this.nameOf(parent), slice: (row) => (hasNone(row) ? undefined : String(row['id'])) },
      };
    }
    return {
      kind: 'range',
      unit: 1,
      order,
      pageRows,
      start: Number.isFinite(this.start) ? this.start : undefined,
      position: (record) => secondsOf(record[position ?? 'created']),
      // The second API has been seen to take bounds with times of whole seconds only.
      ...(path.startsWith('v2/') ? { bounded: true } : {}),
    };
  }

  /** Events name what changed; the objects are retrieved, since an event's own copy has the API version of its time. */
  changes(): ChangeStream | undefined {
    const followed = this.read.filter(({ follow, name }) => follow.kind === 'events' && this.isChosen(name));
    if (followed.length === 0) return undefined;
    const events = STREAMS.find(({ name }) => name === 'events')!; // of the same table
    const stream = this.stream(events);
    const { account } = this.reader;
    const objectOf = (event: DataRecord, told: Told) => namedObject(this.nameOf(told.definition), event, told);
    const changed = (rows: DataRecord[], request: PageRequest) =>
      changedBy(rows, { reader: this.reader, followed, request, objectOf }).then((groups) =>
        groups.map((group) => this.named(group)),
      );
    return {
      ...stream,
      name: account === undefined ? '_changes' : `_changes@${account}`,
      keptSeconds: EVENTS_KEPT_SECONDS,
      lookback: CHANGES_LOOKBACK_SECONDS,
      page: async (request) => {
        // What an event holds of its object tells what changed.
        const page: Page = await this.reader.page(events, { ...request, slices: false });
        return { ...page, groups: await changed(page.records, request) };
      },
      named: async (request) => {
        const { records, next, hasMore }: Page = await this.reader.page(events, { ...request, slices: false });
        const objects = records.flatMap((event) => toldBy(event).map((told) => objectOf(event, told)));
        return { objects, next, hasMore };
      },
      changed: (rows, signal) => changed(rows, { gte: null, lt: null, cursor: null, signal, weight: () => Infinity }),
    };
  }

  private isChosen(name: string): boolean {
    return this.chosen.some((definition) => definition.name === name);
  }

  /** A group of a definition's rows, as its stream stores them. */
  private named(group: RecordGroup): RecordGroup {
    const definition = this.read.find(({ name }) => name === group.stream)!; // one of those that are followed
    const wanted = wantedOf(this.config, definition);
    const { account } = this.reader;
    const mark = (record: DataRecord) => (account === undefined ? record : { ...record, [ACCOUNT_FIELD]: account });
    return {
      ...group,
      stream: this.nameOf(definition),
      records: group.records.map((record) => this.finished(record, wanted)),
      ...(group.deleted ? { deleted: group.deleted.map(mark) } : {}),
    };
  }
}

/** The fields that are stored; undefined: all of them. */
export function wantedOf(config: StripeConfig, definition: StreamDefinition): ReadonlySet<string> | undefined {
  const fields = config.fields?.[definition.name];
  return fields && new Set([...keptOf(definition), ...fields]);
}

/** Fields that stay, whatever is chosen: the key, the date, and the parent. */
function keptOf({ key, position, shape }: StreamDefinition): string[] {
  return [...key, ...(position === undefined ? [] : [position]), ...(typeof shape === 'object' ? [shape.field] : [])];
}

function withAccount(schema: Stream['schema']): Stream['schema'] {
  const account = { type: 'string' as const, description: 'The connected account that the row is of.' };
  return { ...schema, properties: { [ACCOUNT_FIELD]: account, ...schema.properties } };
}

/** Unix seconds of either API's times; NaN where it is neither. */
function secondsOf(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)
    ? Math.floor(Date.parse(value) / 1000)
    : Number.NaN;
}

/** A parent that was deleted since it was listed has no children any more. */
function asSliceGone(request: PageRequest): (error: unknown) => never {
  return (error) => {
    if (request.slice === undefined || !isMissing(error)) throw error;
    throw new SliceGoneError(`${request.slice} is gone`, { code: 'slice_gone', cause: error });
  };
}
