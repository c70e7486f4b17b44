/** Stripe as a source: pages of lists, children of parents, and changes by events. */
import { ceilingsOf } from '../ceilings.js';
import { CursorGoneError, RetriableError, SkippableError, SliceGoneError } from '../../base/errors.js';
import { Admission } from '../../http/admission.js';
import { ApiClient } from '../../http/client.js';
import type { ApiRequest, ApiResponse } from '../../http/request.js';
import { DIALECTS } from '../../http/dialects/vendors.js';
import { LIMITS } from '../../base/bounds.js';
import { registerSecret } from '../../base/log.js';
import type { DataRecord } from '../../base/catalog.js';
import type { Account, Division, Page, PageRequest, RecordGroup, Source, Stream } from '../contract.js';
import type { ConnectorParts } from '../connector.js';
import { judge } from './answers.js';
import { chooseStreams, unchosenParents } from './chosen-streams.js';
import type { StripeConfig } from './config.js';
import { asList, incompleteLists, lastId, type List } from './lists.js';
import { schemaOf } from './schemas.js';
import { STREAMS, type StreamDefinition } from './streams.js';
import { usualLimits } from './usual-limits.js';

/** Rows come at this version whatever the account's own is, so that a schema holds. */
export const STRIPE_VERSION = '2024-06-20';
const PAGE_ROWS = 100;
/** Stripe keeps events for 30 days. */
const EVENTS_KEPT_SECONDS = 30 * 86_400;
/** Events may be listed a little after what they tell. */
const CHANGES_LOOKBACK_SECONDS = 600;

export type SourceParts = Pick<ConnectorParts, 'gateFor' | 'clock' | 'random' | 'egress' | 'observe'>;

/** The source and the client that its requests go through; the engine asks the client for admission and latency. */
export function stripeSource(config: StripeConfig, parts: SourceParts): Source & { client: ApiClient } {
  registerSecret(config.api_key);
  const client = new ApiClient({
    baseUrl: config.base_url,
    admission: new Admission(parts.gateFor({ facts: usualLimits(config), ceilings: ceilingsOf(config) }), parts.clock),
    clock: parts.clock,
    random: parts.random,
    headers: {
      authorization: `Bearer ${config.api_key}`,
      'stripe-version': STRIPE_VERSION,
      ...(config.account ? { 'stripe-account': config.account } : {}),
    },
    dialect: DIALECTS['stripe']!,
    judge,
    egress: parts.egress,
    ...(parts.observe ? { observe: parts.observe } : {}),
  });
  const chosen = chooseStreams(config);
  const pages = new StripePages(client, config, chosen);
  return {
    name: 'stripe',
    client,
    streams: [...chosen, ...unchosenParents(chosen)].map((definition) => pages.stream(definition)),
    changes: pages.changes(),
    check: (signal) => pages.account(signal),
    close: () => client.close(),
  };
}

class StripePages {
  constructor(
    private readonly client: ApiClient,
    private readonly config: StripeConfig,
    private readonly chosen: StreamDefinition[],
  ) {}

  async account(signal: AbortSignal): Promise<Account> {
    let response: ApiResponse;
    try {
      response = await this.client.request({ path: '/v1/account', endpoint: 'account', interactive: true, signal });
    } catch (error) {
      if (!(error instanceof SkippableError)) throw error;
      // A restricted key need not see the account: any answer proves that the key is known, and its Date is what
      // counts.
      response = await this.client
        .request({ path: '/v1/events?limit=1', endpoint: 'events', signal })
        .catch((second) => {
          if (second instanceof SkippableError) throw error;
          throw second;
        });
    }
    if (response.serverTimeMs === undefined)
      throw new RetriableError('Stripe sent no Date', {
        code: 'no_server_time',
        place: '/v1/account',
        expected: 'a Date header',
        found: 'none',
        next: 'check the proxy between here and Stripe',
      });
    const body = response.body as { id?: string; created?: number; object?: string };
    const isAccount = body.object === 'account';
    return {
      id: (isAccount ? body.id : undefined) ?? this.config.account ?? 'account of a restricted key',
      createdMs: isAccount && typeof body.created === 'number' ? body.created * 1000 : undefined,
      serverTimeMs: response.serverTimeMs,
    };
  }

  stream(definition: StreamDefinition): Stream {
    const { name, shape } = definition;
    const keep = [
      'id',
      definition.position,
      ...(typeof shape === 'object' && name === 'subscription_items' ? ['subscription'] : []),
    ];
    const fields = this.config.fields?.[name];
    return {
      name,
      schema: schemaOf(name, keep, fields),
      primaryKey: ['id'],
      division: this.division(definition),
      follow: definition.follow,
      stored: this.chosen.includes(definition),
      endpoint: endpointOf(definition),
      page: async (request) =>
        this.narrow(
          await this.page(definition, request).catch(asSliceGone(request)),
          fields && new Set([...keep, ...fields]),
        ),
    };
  }

  /** Seconds; nothing earlier is read. */
  private get start(): number {
    return this.config.start_date === undefined ? -Infinity : Date.parse(this.config.start_date) / 1000;
  }

  private division({ shape, position }: StreamDefinition): Division {
    if (shape === 'chain') return { kind: 'chain', pageRows: PAGE_ROWS };
    if (shape !== 'range')
      return {
        kind: 'slices',
        pageRows: PAGE_ROWS,
        of: {
          parent: shape.parent,
          slice: (parent) => (parent['deleted'] === true ? undefined : String(parent['id'])),
        },
      };
    return {
      kind: 'range',
      unit: 1,
      order: 'descending',
      pageRows: PAGE_ROWS,
      start: Number.isFinite(this.start) ? this.start : undefined,
      position: (record) => {
        const value = record[position];
        return typeof value === 'number' ? value : Number.NaN;
      },
    };
  }

  private async page(definition: StreamDefinition, request: PageRequest): Promise<Page> {
    const query = new URLSearchParams({ limit: String(PAGE_ROWS), ...definition.query });
    let { path } = definition;
    if (request.slice !== undefined) {
      if (path.includes('{parent}')) path = path.replace('{parent}', encodeURIComponent(request.slice));
      else query.set('subscription', request.slice);
    }
    const gte = Math.max(request.gte ?? -Infinity, definition.shape === 'range' ? this.start : -Infinity);
    if (gte > -Infinity) query.set('created[gte]', String(gte));
    if (request.lt !== null) query.set('created[lt]', String(request.lt));
    if (request.cursor !== null) query.set('starting_after', request.cursor);
    const response = await this.client.request({
      path: `/v1/${path}?${query}`,
      endpoint: endpointOf(definition),
      signal: request.signal,
      weight: request.weight,
      ticket: request.ticket,
    });
    const { serverTimeMs, bytes } = response;
    const list = asList(response.body, path);
    response.body = undefined; // the rows are the page's alone
    const next = lastId(list);
    const records: DataRecord[] = [];
    for (const record of list.data) if (await this.isWhole(record, request)) records.push(record);
    return { records, next, hasMore: list.has_more, serverTimeMs, bytes };
  }

  /** Completes the lists in an object; false where it was deleted since it was listed. */
  private async isWhole(record: DataRecord, request: PageRequest): Promise<boolean> {
    try {
      for (const nested of incompleteLists(record)) await this.complete(nested, request);
      return true;
    } catch (error) {
      if (error instanceof SkippableError && error.code === 'stripe_missing') return false;
      throw error;
    }
  }

  /** Lists nested in an object hold its first entries only; the rest is read by the list's own address. */
  private async complete(list: List, request: PageRequest): Promise<void> {
    for (let pages = 0; list.has_more && pages < LIMITS.nestedPages; pages++) {
      const [path, query] = list.url.split('?');
      const parameters = new URLSearchParams(query);
      parameters.set('limit', String(PAGE_ROWS));
      const after = lastId(list);
      if (after !== null) parameters.set('starting_after', after);
      let more: List;
      try {
        const { body } = await this.client.request({
          path: `${path}?${parameters}`,
          endpoint: genericEndpoint(path!),
          signal: request.signal,
          weight: () => Infinity,
        });
        more = asList(body, path!);
      } catch (error) {
        if (!(error instanceof CursorGoneError)) throw error;
        list.data = []; // an entry went away meanwhile: read the list from its start
        continue;
      }
      list.data.push(...more.data);
      list.has_more = more.has_more && more.data.length > 0;
    }
  }

  private narrow(page: Page, fields: Set<string> | undefined): Page {
    if (!fields) return page;
    const records = page.records.map((record) =>
      Object.fromEntries(Object.entries(record).filter(([key]) => fields.has(key))),
    );
    return { ...page, records };
  }

  /** Events name what changed; the objects are retrieved, since an event's own copy has the API version of its time. */
  changes(): Source['changes'] {
    const followed = this.chosen.filter((definition) => definition.follow.kind === 'events');
    if (followed.length === 0) return undefined;
    const events = STREAMS.find((definition) => definition.name === 'events')!;
    const stream = this.stream({ ...events, name: 'events' });
    return {
      ...stream,
      name: '_changes',
      keptSeconds: EVENTS_KEPT_SECONDS,
      lookback: CHANGES_LOOKBACK_SECONDS,
      page: async (request) => {
        const page = await this.page(events, request);
        return { ...page, groups: await this.changed(page.records, request) };
      },
      changed: (records, signal) =>
        this.changed(records, { gte: null, lt: null, cursor: null, signal, weight: () => Infinity }),
    };
  }

  private async changed(events: DataRecord[], request: PageRequest): Promise<RecordGroup[]> {
    const seen = new Set<string>();
    const groups = new Map<string, RecordGroup>();
    const groupOf = (stream: string) => {
      let group = groups.get(stream);
      if (!group) groups.set(stream, (group = { stream, records: [], deleted: [] }));
      return group;
    };
    const scoped: RecordGroup[] = [];
    const work: Promise<void>[] = [];
    for (const event of events) {
      const object = (event['data'] as { object?: DataRecord } | undefined)?.object;
      const id = object?.['id'];
      const definition = this.chosen.find((candidate) => candidate.object === object?.['object']);
      if (
        typeof id === 'string' &&
        !seen.has(id) &&
        object?.['object'] === 'subscription' &&
        this.chosen.some(({ name }) => name === 'subscription_items')
      ) {
        work.push(this.itemsOf(id, request).then((group) => void scoped.push(group)));
      }
      if (!definition || definition.follow.kind !== 'events' || typeof id !== 'string' || seen.has(id)) continue;
      seen.add(id);
      const fields = this.config.fields?.[definition.name];
      work.push(
        this.retrieve(definition, object!, request).then(({ record, serverTimeMs }) => {
          const group = groupOf(definition.name);
          group.serverTimeMs = earlier(group.serverTimeMs, serverTimeMs);
          if (record === undefined || record['deleted'] === true) group.deleted!.push({ id });
          else
            group.records.push(
              fields
                ? Object.fromEntries(
                    Object.entries(record).filter(
                      ([key]) => key === 'id' || key === definition.position || fields.includes(key),
                    ),
                  )
                : record,
            );
        }),
      );
    }
    await Promise.all(work);
    return [...groups.values(), ...scoped];
  }

  /**
   * Items have no events of their own: those of a changed subscription are listed again, and the missing ones are gone.
   */
  private async itemsOf(subscription: string, request: PageRequest): Promise<RecordGroup> {
    const definition = STREAMS.find(({ name }) => name === 'subscription_items')!;
    const records: DataRecord[] = [];
    let serverTimeMs: number | undefined;
    try {
      for (let cursor: string | null = null, more = true; more;) {
        const page: Page = await this.page(definition, {
          ...request,
          gte: null,
          lt: null,
          cursor,
          slice: subscription,
          ticket: undefined,
        });
        records.push(...page.records);
        serverTimeMs = earlier(serverTimeMs, page.serverTimeMs);
        cursor = page.next;
        more = page.hasMore && page.records.length > 0;
      }
    } catch (error) {
      if (!(error instanceof SkippableError) || error.code !== 'stripe_missing') throw error; // the subscription is gone, and its items with it
    }
    return {
      stream: 'subscription_items',
      records,
      scope: { field: 'subscription', value: subscription },
      serverTimeMs,
    };
  }

  /** Without a record where the object is gone. */
  private async retrieve(
    definition: StreamDefinition,
    object: DataRecord,
    request: PageRequest,
  ): Promise<{ record?: DataRecord; serverTimeMs?: number | undefined }> {
    const id = encodeURIComponent(String(object['id']));
    const parent = typeof definition.shape === 'object' ? object['customer'] : undefined;
    // A payment method or tax id that was detached has no owner any more: it left the stream.
    if (typeof definition.shape === 'object' && typeof parent !== 'string') return {};
    const path = definition.path.replace('{parent}', encodeURIComponent(String(parent)));
    const send: ApiRequest = {
      path: `/v1/${path}/${id}`,
      endpoint: `${endpointOf(definition)}/:id`,
      signal: request.signal,
      weight: () => Infinity,
    };
    try {
      const { body, serverTimeMs } = await this.client.request(send);
      for (const nested of incompleteLists(body as DataRecord)) await this.complete(nested, request);
      return { record: body as DataRecord, serverTimeMs };
    } catch (error) {
      if (error instanceof SkippableError && error.code === 'stripe_missing') return {};
      throw error;
    }
  }
}

/** What was read with several answers is as old as the first of them. */
function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

/** A parent that was deleted since it was listed has no children any more. */
function asSliceGone(request: PageRequest): (error: unknown) => never {
  return (error) => {
    if (request.slice === undefined || !(error instanceof SkippableError) || error.code !== 'stripe_missing')
      throw error;
    throw new SliceGoneError(`${request.slice} is gone`, { code: 'slice_gone', cause: error });
  };
}

function endpointOf(definition: StreamDefinition): string {
  return definition.path.replace('{parent}', ':id');
}

function genericEndpoint(path: string): string {
  return path.replace(/^\/v1\//, '').replace(/\/[a-z]+_[^/]+/g, '/:id');
}
