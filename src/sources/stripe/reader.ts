/** Reads lists and objects of one account: pages, lists inside objects that come short, and single objects. */
import { LIMITS } from '../../base/bounds.js';
import type { DataRecord } from '../../base/catalog.js';
import { CursorGoneError, RetriableError, SkippableError } from '../../base/errors.js';
import type { ApiClient } from '../../http/client.js';
import type { ApiResponse } from '../../http/request.js';
import type { Page, PageRequest } from '../contract.js';
import { slicesOf } from '../../base/bytes/sliced-record.js';
import { asList, asPage, incompleteLists, lastId, type List } from './lists.js';
import { ListSlicer } from './sliced-page.js';
import type { StreamDefinition } from './streams.js';

/** Rows of a page, by API: the most that it gives. */
export const PAGE_ROWS = { 1: 100, 2: 20 } as const;

/** Times that a page without a row, which says that more follow, is asked for. */
const EMPTY_TRIES = 3;

export interface ReaderParts {
  client: ApiClient;
  /** The connected account whose rows are read; undefined: the key's own. */
  account: string | undefined;
  /** Of the API, at the time of the request. */
  version: () => string;
  /** Seconds; nothing earlier is read. */
  start: number;
  /** The fields of a stream that are stored; undefined: all of them. */
  wanted: (definition: StreamDefinition) => ReadonlySet<string> | undefined;
}

/** An object as it is now; without a record where it is gone. */
export interface Retrieved {
  record?: DataRecord;
  serverTimeMs?: number | undefined;
}

export class StripeReader {
  private readonly slicers = new Map<StreamDefinition, ListSlicer>();

  constructor(private readonly parts: ReaderParts) {}

  get account(): string | undefined {
    return this.parts.account;
  }

  /** One page of a stream's list. */
  async page(definition: StreamDefinition, request: PageRequest): Promise<Page> {
    const { api, shape } = definition;
    const path = pathOf(definition, request.slice);
    const slicer = request.slices === true && typeof shape !== 'object' ? this.slicerOf(definition) : undefined;
    const response = await this.get(
      api,
      `${path}?${this.queryOf(definition, request)}`,
      endpointOf(definition),
      request,
      slicer && ((body) => slicer.slice(body)),
    );
    const { serverTimeMs, bytes } = response;
    const list = slicer ? slicer.page(response.body, path) : asPage(response.body, path, api);
    response.body = undefined; // the rows are the page's alone
    const records: DataRecord[] = [];
    for (const record of list.data) {
      if (slicesOf(record) === undefined && !(await this.isWhole(record, request))) continue;
      if (typeof shape === 'object' && typeof record[shape.field] !== 'string') record[shape.field] = request.slice;
      records.push(record);
    }
    return { records, next: list.next, hasMore: list.hasMore, serverTimeMs, bytes };
  }

  /** All rows of one parent: whatever is stored and not among them is taken for deleted. */
  async childrenOf(
    definition: StreamDefinition,
    slice: string,
    request: PageRequest,
  ): Promise<{ records: DataRecord[]; serverTimeMs: number | undefined }> {
    const records: DataRecord[] = [];
    let serverTimeMs: number | undefined;
    try {
      for (let cursor: string | null = null, more = true; more;) {
        const asked = { ...request, gte: null, lt: null, cursor, slice, slices: false, ticket: undefined };
        const page = await this.pageWithRows(definition, asked);
        records.push(...page.records);
        serverTimeMs = earlier(serverTimeMs, page.serverTimeMs);
        // A full page that claims to be the last one is looked past.
        more = page.next !== null && page.next !== cursor && (page.hasMore || isFull(definition, page));
        cursor = page.next;
      }
    } catch (error) {
      if (!isMissing(error)) throw error; // the parent is gone, and its children with it
    }
    return { records, serverTimeMs };
  }

  /** A page without a row that says that more follow is no end: it is asked for again, and is an error then. */
  private async pageWithRows(definition: StreamDefinition, request: PageRequest): Promise<Page> {
    for (let tries = 1; ; tries++) {
      const page = await this.page(definition, request);
      if (page.records.length > 0 || !page.hasMore) return page;
      if (tries === EMPTY_TRIES)
        throw new RetriableError('a page of Stripe holds no row and says that more follow', {
          code: 'empty_page',
          place: `/${pathOf(definition, request.slice)}`,
          expected: 'rows, or the end',
          found: `none, ${EMPTY_TRIES} times`,
          next: 'run again',
        });
    }
  }

  /** An object by its own address, which begins with the API's version. */
  async retrieve(path: string, endpoint: string, request: PageRequest): Promise<Retrieved> {
    try {
      const { body, serverTimeMs } = await this.get(path.startsWith('v2/') ? 2 : 1, path, endpoint, {
        ...request,
        weight: () => Infinity,
        ticket: undefined,
      });
      const record = body as DataRecord;
      for (const nested of incompleteLists(record)) await this.complete(nested, request);
      return { record, serverTimeMs };
    } catch (error) {
      if (isMissing(error)) return {};
      throw error;
    }
  }

  private get(
    api: 1 | 2,
    path: string,
    endpoint: string,
    { signal, weight, ticket }: Pick<PageRequest, 'signal' | 'weight' | 'ticket'>,
    slice?: (body: Buffer) => unknown,
  ): Promise<ApiResponse> {
    const { account, client, version } = this.parts;
    return client.request({
      path: `/${path}`,
      endpoint,
      headers: {
        'stripe-version': version(),
        ...(account === undefined ? {} : { [api === 1 ? 'stripe-account' : 'stripe-context']: account }),
      },
      signal,
      weight,
      ticket,
      slice,
    });
  }

  /** Rows of a connected account are marked, which slices cannot be. */
  private slicerOf(definition: StreamDefinition): ListSlicer | undefined {
    if (this.parts.account !== undefined) return undefined;
    let slicer = this.slicers.get(definition);
    if (!slicer) this.slicers.set(definition, (slicer = new ListSlicer(definition, this.parts.wanted(definition))));
    return slicer;
  }

  private queryOf(definition: StreamDefinition, request: PageRequest): URLSearchParams {
    const { api, shape, list } = definition;
    // The token of a next page has all of its query.
    if (api === 2 && request.cursor !== null) return new URLSearchParams(request.cursor);
    const query = new URLSearchParams({
      ...(list.paged ? { limit: String(PAGE_ROWS[api]) } : {}),
      ...definition.query,
    });
    if (typeof shape === 'object' && shape.parameter !== undefined) query.set(shape.parameter, request.slice ?? '');
    const gte = Math.max(request.gte ?? -Infinity, shape === 'range' ? this.parts.start : -Infinity);
    const at = (seconds: number) => (api === 1 ? String(seconds) : new Date(seconds * 1000).toISOString());
    if (gte > -Infinity) query.set('created[gte]', at(gte));
    if (request.lt !== null) query.set('created[lt]', at(request.lt));
    if (request.cursor !== null) query.set('starting_after', request.cursor);
    return query;
  }

  /** Completes the lists in an object; false where it was deleted since it was listed. */
  private async isWhole(record: DataRecord, request: PageRequest): Promise<boolean> {
    try {
      for (const nested of incompleteLists(record)) await this.complete(nested, request);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Lists nested in an object hold its first entries only; the rest is read by the list's own address. */
  private async complete(list: List, request: PageRequest): Promise<void> {
    for (let pages = 0; list.has_more && pages < LIMITS.nestedPages; pages++) {
      const [path, query] = list.url.split('?');
      const parameters = new URLSearchParams(query);
      parameters.set('limit', String(PAGE_ROWS[1]));
      const after = lastId(list);
      if (after !== null) parameters.set('starting_after', after);
      let more: List;
      try {
        const { body } = await this.get(1, `${path!.slice(1)}?${parameters}`, genericEndpoint(path!.slice(1)), {
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
}

const isFull = ({ api }: StreamDefinition, { records }: Page) => records.length >= PAGE_ROWS[api];

/** What was read with several answers is as old as the first of them. */
export function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

export function isMissing(error: unknown): error is SkippableError {
  return error instanceof SkippableError && error.code === 'stripe_missing';
}

/** The name of a list for limits that are counted for each endpoint. */
export function endpointOf({ path }: StreamDefinition): string {
  return path.replace('{parent}', ':id');
}

function pathOf({ path, api }: StreamDefinition, slice: string | undefined): string {
  const whole = api === 1 ? `v1/${path}` : path;
  return slice === undefined ? whole : whole.replace('{parent}', encodeURIComponent(slice));
}

/** Of an address that an answer gave: its ids have digits or capitals. */
function genericEndpoint(path: string): string {
  return path.replace(/^v1\//, '').replace(/\/[a-z]+_(?=[^/]*[A-Z0-9])[^/]+/g, '/:id');
}
