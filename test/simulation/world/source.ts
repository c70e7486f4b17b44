/** A connector of the virtual API, with a stream of each kind that the contract knows; its client is the real one. */
import { CursorGoneError, RetriableError, SkippableError, SliceGoneError } from '../../../src/base/errors.js';
import type { DataRecord } from '../../../src/base/catalog.js';
import type { LimitFact } from '../../../src/gate/gate.js';
import type { SharedGate } from '../../../src/gate/shared/shared-gate.js';
import { Admission } from '../../../src/http/admission.js';
import { ApiClient, retryAfterOf } from '../../../src/http/client.js';
import type { ApiResponse, Verdict } from '../../../src/http/request.js';
import { DIALECTS } from '../../../src/http/dialects/vendors.js';
import type { Account, Division, Follow, Page, PageRequest, Source, Stream } from '../../../src/sources/contract.js';
import type { ApiRow, ListAnswer, Listing, VirtualApi } from './api.js';
import type { Network } from './network.js';
import type { Process } from './process.js';

export type Shape =
  'newest' | 'oldest' | 'moving' | 'windows' | 'numbered' | 'offsets' | 'chain' | 'scroll' | 'children';

/** One stream of a scenario. */
export interface StreamPlan {
  name: string;
  shape: Shape;
  pageRows: number;
  follow: Follow;
  /** The stream whose rows open its slices. */
  parent?: string | undefined;
  /** Unordered streams: seconds of a window. */
  window?: number | undefined;
  /** Where its history begins, seconds. */
  start?: number | undefined;
  /** Numbered streams: the API says how many rows there are. */
  tellsTotal?: boolean | undefined;
  /** Numbered streams: which end of the list is first. */
  oldestFirst?: boolean | undefined;
  /** Whether the order is promised. */
  verified?: boolean | undefined;
  /** Chains of manifests: the token is made of the last row, so that a page past the last can be asked for. */
  tokensByRow?: boolean | undefined;
  /** Manifests: a 403 is taken for nothing here. */
  ignoresForbidden?: boolean | undefined;
  /** Scrolls: what the parameter is called, where its name tells what it is. */
  scrollName?: string | undefined;
}

export function listingOf(plan: StreamPlan): Listing {
  switch (plan.shape) {
    case 'newest':
      return { order: 'descending', field: 'created' };
    case 'moving':
      return { order: 'ascending', field: 'updated' };
    case 'windows':
      return { order: 'unordered', field: 'updated' };
    case 'numbered':
    case 'offsets':
      return { order: plan.oldestFirst ? 'ascending' : 'descending', field: 'created' };
    case 'children':
      return { order: 'ascending', field: 'updated' };
    default:
      return { order: 'ascending', field: 'created' };
  }
}

/** Whether a later run can learn that a row changed, which was read before. */
export function seesChanges({ follow, shape }: StreamPlan): boolean {
  return follow.kind !== 'cursor' || shape === 'moving' || shape === 'windows' || shape === 'children';
}

const EVENTS = '_changes';
const EVENTS_ROWS = 10;
const EVENTS_LOOKBACK_SECONDS = 60;
const EVENTS_KEPT_SECONDS = 30 * 86_400;
const SCHEMA = {
  type: 'object' as const,
  properties: {
    id: { type: 'string' as const },
    created: { type: 'integer' as const },
    updated: { type: 'integer' as const },
    rev: { type: 'integer' as const },
    parent: { type: 'string' as const },
  },
};

/** What the API answers to a path of this connector. */
export function answering(
  api: VirtualApi,
  plans: StreamPlan[],
  createdMs: number | undefined,
): (path: string) => ListAnswer | Record<string, unknown> {
  const byName = new Map(plans.map((plan) => [plan.name, plan]));
  return (path) => {
    const [name, text] = path.slice(1).split('?');
    if (name === 'account') return { id: 'acct', ...(createdMs === undefined ? {} : { created: createdMs }) };
    const query = new URLSearchParams(text);
    if (name === EVENTS) return api.changes(query);
    const plan = byName.get(name!)!;
    if (plan.shape === 'numbered' || plan.shape === 'offsets')
      return api.numbered(name!, listingOf(plan), query, plan.tellsTotal ?? false);
    if (plan.shape === 'scroll') return api.scroll(name!, query, plan.scrollName);
    return api.list(name!, listingOf(plan), query);
  };
}

export interface WorldSource extends Source {
  client: ApiClient;
}

export interface SourceParts {
  process: Process;
  network: Network;
  gate: SharedGate;
  dialect: string;
}

export function worldSource(plans: StreamPlan[], { process, network, gate, dialect }: SourceParts): WorldSource {
  const client = new ApiClient({
    baseUrl: 'http://api.test',
    admission: new Admission(gate, process.clock),
    clock: process.clock,
    random: process.agenda.random,
    headers: {},
    dialect: DIALECTS[dialect]!,
    judge,
    dispatcher: network.dispatcherOf(process) as unknown as NonNullable<
      ConstructorParameters<typeof ApiClient>[0]['dispatcher']
    >,
  });
  gate.onChange = () => client.admission.pump();
  const streams = plans.map((plan) => streamOf(plan, client));
  const hasEvents = plans.some(({ follow }) => follow.kind === 'events');
  return {
    name: 'world',
    client,
    streams,
    changes: hasEvents ? changesOf(client) : undefined,
    check: (signal) => account(client, signal),
    close: () => client.close(),
  };
}

function judge(response: ApiResponse): Verdict {
  const { status } = response;
  if (status === 200) return { kind: 'ok' };
  if (status >= 500) return { kind: 'retry', reason: `status ${status}`, retryAfterMs: retryAfterOf(response) };
  const detail = { code: `world_${status}` };
  if (status === 400) return { kind: 'error', error: new CursorGoneError('the cursor is gone', detail) };
  if (status === 404) return { kind: 'error', error: new SliceGoneError('the parent is gone', detail) };
  return { kind: 'error', error: new SkippableError(`status ${status}`, detail) };
}

async function account(client: ApiClient, signal: AbortSignal): Promise<Account> {
  const response = await client.request({ path: '/account', endpoint: 'account', signal, interactive: true });
  if (response.serverTimeMs === undefined) throw new RetriableError('no Date', { code: 'no_server_time' });
  const { id, created } = response.body as { id: string; created?: number };
  return { id, createdMs: created, serverTimeMs: response.serverTimeMs };
}

function streamOf(plan: StreamPlan, client: ApiClient): Stream {
  return {
    name: plan.name,
    schema: SCHEMA,
    primaryKey: ['id'],
    division: divisionOf(plan),
    follow: plan.follow,
    stored: true,
    endpoint: plan.name,
    page: (request) => page(plan, client, request),
  };
}

function divisionOf(plan: StreamPlan): Division {
  const { pageRows, start } = plan;
  switch (plan.shape) {
    case 'numbered':
      return { kind: 'numbered', pageRows };
    case 'scroll':
      return { kind: 'chain', pageRows, cursor: 'consumed' };
    case 'offsets':
    case 'chain':
      return { kind: 'chain', pageRows };
    case 'children':
      return { kind: 'slices', of: { parent: plan.parent!, slice: (parent) => String(parent['id']) }, pageRows };
    default: {
      const { order, field } = listingOf(plan);
      return {
        kind: 'range',
        position: (record: DataRecord) => Number(record[field]),
        unit: 1,
        ...(field === 'updated' ? { moves: true } : {}),
        order: plan.verified ? 'verified' : order,
        pageRows,
        ...(plan.window === undefined ? {} : { window: plan.window }),
        ...(start === undefined ? {} : { start }),
      };
    }
  }
}

async function page(plan: StreamPlan, client: ApiClient, request: PageRequest): Promise<Page> {
  const query = new URLSearchParams({ limit: String(plan.pageRows) });
  const gte = Math.max(request.gte ?? -Infinity, plan.shape === 'children' ? -Infinity : (plan.start ?? -Infinity));
  if (gte > -Infinity) query.set('gte', String(gte));
  if (request.lt !== null) query.set('lt', String(request.lt));
  if (request.cursor !== null) query.set('cursor', request.cursor);
  if (request.number !== undefined) query.set('page', String(request.number));
  if (request.slice !== undefined) {
    query.set('parent', request.slice);
    query.set('of', plan.parent!);
  }
  const answer = await ask(client, plan.name, query, request);
  return answer.page;
}

function changesOf(client: ApiClient): NonNullable<Source['changes']> {
  const read = async (request: PageRequest): Promise<Page> => {
    const query = new URLSearchParams({ limit: String(EVENTS_ROWS) });
    if (request.gte !== null) query.set('gte', String(request.gte));
    if (request.lt !== null) query.set('lt', String(request.lt));
    if (request.cursor !== null) query.set('cursor', request.cursor);
    const { page, list } = await ask(client, EVENTS, query, request);
    const groups = (list.objects ?? []).map(({ stream, records, deleted }) => ({
      stream,
      records: records as unknown as DataRecord[],
      deleted: deleted.map((id) => ({ id })),
    }));
    return { ...page, groups };
  };
  return {
    name: EVENTS,
    schema: SCHEMA,
    primaryKey: ['id'],
    division: {
      kind: 'range',
      position: (record) => Number(record['created']),
      unit: 1,
      order: 'descending',
      pageRows: EVENTS_ROWS,
    },
    follow: { kind: 'reread' },
    stored: false,
    endpoint: EVENTS,
    page: read,
    keptSeconds: EVENTS_KEPT_SECONDS,
    lookback: EVENTS_LOOKBACK_SECONDS,
    changed: async () => [],
  };
}

async function ask(
  client: ApiClient,
  name: string,
  query: URLSearchParams,
  request: PageRequest,
): Promise<{ page: Page; list: ListAnswer }> {
  const response = await client.request({
    path: `/${name}?${query}`,
    endpoint: name,
    signal: request.signal,
    weight: request.weight,
    ticket: request.ticket,
    once: request.once,
  });
  const list = response.body as ListAnswer;
  return {
    list,
    page: {
      records: list.data,
      next: list.next,
      hasMore: list.has_more,
      ...(list.total === undefined ? {} : { total: list.total }),
      serverTimeMs: response.serverTimeMs,
      bytes: response.bytes,
    },
  };
}

/** The limits that the connector states beforehand. */
export function factsOf(perSecond: number | undefined): LimitFact[] {
  return perSecond === undefined
    ? []
    : [{ name: 'requests', scope: 'credential', usual: { requests: perSecond, windowMs: 1000 } }];
}

export type { ApiRow };
