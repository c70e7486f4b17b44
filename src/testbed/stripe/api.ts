/** Stripe's HTTP API over generated rows: lists, objects, nested lists, events, errors. */
import { hashString, seededRandom, type Random } from '../../base/random.js';
import { BodyPool, type PooledBody } from '../bodies.js';
import type { FaultDice } from '../faults.js';
import type { TestbedAnswer, TestbedApi, TestbedRequest } from '../server.js';
import { HISTORY_SECONDS, Timeline, type Shape } from '../shapes.js';
import { FIRST_VERSION } from './collection.js';
import {
  denied,
  limitOf,
  missing,
  noAccount,
  notSetUp,
  StripeError,
  unknownParameter,
  unknownUrl,
  wanted,
} from './errors.js';
import { COLLECTION_OF_PARAMETER, listLower } from './lower-lists.js';
import { type ChildList, hasNested, LISTS, listChildren, withNested } from './nested.js';
import { writeText } from './row-template.js';
import { Rows } from './rows.js';
import { listSecond } from './second-api.js';
import { childPath, collectionsOf, requiredOf } from './versions.js';

export interface StripeData {
  seed: number;
  /** Rows of a collection by its path, else `share` of `rows`. */
  rows: number;
  shape: Shape;
  collections: Record<string, { rows: number; shape?: Shape }>;
  /** The unix second at which the history ends. */
  now: number;
  /** Accepted keys, and for restricted ones the paths they may not read. */
  keys: Record<string, string[]>;
  /** Paths of products that the account does not have. */
  lacks?: string[];
  /** Connected accounts, and the rows that each has. */
  accounts?: Record<string, Pick<StripeData, 'collections' | 'rows'>>;
  /** The real clock's second, for rows that come while the server runs. */
  second: () => number;
}

/** Events are kept for 30 days. */
const EVENTS_SECONDS = 30 * 86_400;
const COMMA = 0x2c;
const EVENT_TYPE: Record<string, string> = { added: 'created', changed: 'updated', deleted: 'deleted' };

interface ChangeEvent {
  second: number;
  type: string;
  object: string;
}

export class StripeApi implements TestbedApi {
  readonly rows = new Map<string, Rows>();
  /** Connected accounts, by their ids: APIs of their own, behind the platform's key. */
  readonly connected = new Map<string, StripeApi>();
  private readonly events: ChangeEvent[] = [];
  private readonly random: Random;
  private readonly bodies = new BodyPool();
  private requests = 0;

  constructor(
    private readonly data: StripeData,
    withMalformed: boolean,
  ) {
    this.random = seededRandom(data.seed ^ 0x2545f491);
    for (const collection of collectionsOf()) {
      const given = data.collections[collection.path];
      const count = given?.rows ?? Math.round(data.rows * collection.share);
      const isEvents = collection.path === 'events';
      const timeline = new Timeline(
        given?.shape ?? (isEvents ? 'uniform' : data.shape),
        count,
        hashString(collection.path, data.seed),
        data.now - HISTORY_SECONDS,
      );
      const rows = new Rows(collection, timeline, data.seed, (path) => this.rows.get(path)!);
      if (withMalformed && rows.size > 2) rows.malformed = Math.floor(rows.size / 2);
      this.rows.set(collection.path, rows);
    }
    const { accounts = {}, ...own } = data;
    for (const [id, more] of Object.entries(accounts))
      this.connect(id, { ...own, seed: hashString(id, data.seed), ...more });
  }

  /** Connects an account; what it holds is what the platform holds, unless more is said. */
  connect(id: string, data: Partial<StripeData> = {}): StripeApi {
    const { accounts: _, ...own } = this.data;
    const api = new StripeApi({ ...own, ...data }, false);
    this.connected.set(id, api);
    return api;
  }

  endpointOf(url: URL): string {
    return url.pathname
      .replace(/^\/(?:v1\/)?/, '')
      .replace(/\/?(?:[a-z]+_(?:sched_)?[0-9a-z]{14,}|txn_[0-9a-z]+)(?=\/|$)/g, '/:id');
  }

  /** What its rows are made from. */
  get seed(): number {
    return this.data.seed;
  }

  answer(request: TestbedRequest, dice: FaultDice): TestbedAnswer {
    const headers = {
      'request-id': `req_${(++this.requests).toString(36).padStart(10, '0')}`,
      'stripe-version': versionOf(request),
    };
    try {
      this.authorize(request);
      const account = request.headers['stripe-account'] ?? request.headers['stripe-context'];
      const connected = account === undefined ? undefined : this.connected.get(String(account));
      if (connected) return connected.answer({ ...request, headers: withoutAccount(request.headers) }, dice);
      if (account !== undefined && this.data.accounts) throw noAccount('sk_test_', String(account));
      if (dice.strikes('churn')) this.churn();
      const body = this.route(request.url, dice, versionOf(request));
      return { status: 200, headers, ...(typeof body === 'string' ? { body } : body) };
    } catch (error) {
      if (!(error instanceof StripeError)) throw error;
      return {
        status: error.status,
        headers,
        body: JSON.stringify({ error: { type: error.type, message: error.message, ...error.more } }),
      };
    }
  }

  /** Adds, changes or deletes a customer, or another object, and says so in an event. */
  churn(kind?: 'added' | 'changed' | 'deleted', index?: number, path = 'customers'): string {
    const customers = this.rows.get(path)!;
    const what = kind ?? (['added', 'changed', 'deleted'] as const)[this.random.integer(3)]!;
    const at =
      what === 'added'
        ? customers.add(this.data.second())
        : (index ?? this.random.integer(Math.max(1, customers.size)));
    if (what !== 'added') customers.change(at, what === 'deleted');
    this.record(`${customers.collection.object}.${EVENT_TYPE[what]}`, customers.render(at));
    return customers.idOf(at);
  }

  /** Puts an event on record, as if something had happened to the object. */
  record(type: string, object: string): void {
    this.events.push({ second: this.data.second(), type, object });
  }

  private authorize(request: TestbedRequest): void {
    const header = String(request.headers.authorization ?? '');
    const key = header.startsWith('Basic ')
      ? Buffer.from(header.slice(6), 'base64').toString().split(':')[0]!
      : header.replace(/^Bearer /, '');
    if (!key)
      throw new StripeError(
        401,
        'invalid_request_error',
        'You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth.',
      );
    if (!Object.hasOwn(this.data.keys, key))
      throw new StripeError(
        401,
        'invalid_request_error',
        `Invalid API Key provided: ${key.slice(0, 8)}****${key.slice(-4)}`,
      );
    const path = request.url.pathname.replace(/^\/(?:v1\/)?/, '');
    const prefix = this.data.keys[key]!.find((each) => path === each || path.startsWith(`${each}/`));
    if (prefix) throw denied(key, prefix);
    const lacking = this.data.lacks?.find((each) => path === each || path.startsWith(`${each}/`));
    if (lacking) throw notSetUp(lacking);
  }

  private route(url: URL, dice: FaultDice, version: string): string | PooledBody {
    const path = url.pathname.replace(/^\/(?:v1\/)?/, '').replace(/\/$/, '');
    const query = url.searchParams;
    if (path === 'account') {
      return JSON.stringify({
        id: 'acct_1Testbed00000000',
        object: 'account',
        business_type: 'company',
        charges_enabled: true,
        country: 'FR',
        created: this.data.now - HISTORY_SECONDS,
        default_currency: 'eur',
        email: 'owner@example.com',
        type: 'standard',
      });
    }
    if (path === 'accounts' && this.data.accounts) return this.listAccounts(query);
    const lower = this.listOfParameter(path, query, version);
    if (lower !== undefined) return lower;
    const rows = this.rows.get(path);
    if (rows && path.startsWith('v2/')) return listSecond(rows, query);
    if (rows) return path === 'events' ? this.listEvents(rows, query, version) : this.list(rows, query, dice, version);
    const [, collection, id, below] = /^(.+?)\/([^/]+)(?:\/([a-z_]+))?$/.exec(path) ?? [];
    const parent = collection === undefined ? undefined : this.rows.get(collection);
    if (!parent && collection?.includes('/')) return this.retrieveLower(path, url, dice, version);
    if (!parent || !id) throw unknownUrl(url);
    if (below === undefined) return this.retrieve(parent, id, version);
    if (collection === 'customers' && below === 'payment_methods')
      return this.children('customers', id, LISTS.payment_method, path, query, version);
    if (collection === 'customers' && below === 'tax_ids')
      return this.children('customers', id, LISTS.tax_id, path, query, version);
    if (below === 'lines') return this.children(collection!, id, LISTS.line_item, path, query, version);
    if (below === 'reversals' && version === FIRST_VERSION)
      return JSON.stringify({ object: 'list', data: [], has_more: false, url: `/v1/${path}` });
    const types = childPath(collection!, below);
    if (types === undefined) throw unknownUrl(url);
    return this.lower(collection!, { types, id, path }, query);
  }

  /** Lists that want a parameter, or are another one with it. */
  private listOfParameter(path: string, query: URLSearchParams, version: string): string | undefined {
    const parameter = path === 'balance_transactions' && query.has('payout') ? 'payout' : requiredOf(path)[0];
    if (parameter === undefined) return undefined;
    const id = query.get(parameter);
    if (!id) throw wanted(parameter);
    if (path === 'subscription_items')
      return this.children('subscriptions', id, LISTS.subscription_item, path, query, version);
    const collection = COLLECTION_OF_PARAMETER[parameter];
    return collection === undefined ? undefined : this.lower(collection, { types: path, id, path, parameter }, query);
  }

  private lower(
    collection: string,
    of: { types: string; id: string; path: string; parameter?: string },
    query: URLSearchParams,
  ): string {
    const rows = this.rows.get(collection)!;
    return listLower(rows, { ...of, revision: rows.revisionOf(rows.indexOf(of.id)) }, query);
  }

  /** One object of a list below another: they are few. */
  private retrieveLower(address: string, url: URL, dice: FaultDice, version: string): string {
    const at = address.lastIndexOf('/');
    const [path, id] = [address.slice(0, at), address.slice(at + 1)];
    const list = this.route(new URL(`/v1/${path}?limit=100`, url), dice, version);
    if (typeof list !== 'string') throw unknownUrl(url);
    const { data } = JSON.parse(list) as { data: { id: string }[] };
    const found = data.find((each) => each.id === id);
    if (!found) throw missing(path.slice(path.lastIndexOf('/') + 1, -1), id, 'id');
    return JSON.stringify(found);
  }

  private listAccounts(query: URLSearchParams): string {
    const ids = [...this.connected.keys()].toSorted().toReversed();
    const after = query.get('starting_after');
    const from = after === null ? 0 : ids.indexOf(after) + 1;
    const page = ids.slice(from, from + limitOf(query));
    const data = page.map((id) => ({
      id,
      object: 'account',
      created: this.data.now - HISTORY_SECONDS,
      type: 'standard',
    }));
    return JSON.stringify({ object: 'list', data, has_more: from + page.length < ids.length, url: '/v1/accounts' });
  }

  private children(
    collection: string,
    id: string,
    list: ChildList,
    path: string,
    query: URLSearchParams,
    version: string,
  ): string {
    return listChildren(this.rows.get(collection)!, this.data.seed, id, list, path, query, version);
  }

  private retrieve(rows: Rows, id: string, version: string): string {
    const index = rows.indexOf(id);
    const { object, keepsDeleted } = rows.collection;
    if (index < 0 || (rows.isDeleted(index) && !keepsDeleted)) throw missing(object, id, 'id');
    if (rows.isDeleted(index)) return JSON.stringify({ id, object, deleted: true });
    return withNested(rows, this.data.seed, index, version);
  }

  private list(rows: Rows, query: URLSearchParams, dice: FaultDice, version: string): string | PooledBody {
    const { collection } = rows;
    const limit = collection.isWhole ? rows.size : limitOf(query);
    let low = 0;
    let high = rows.size;
    for (const [name, value] of query) {
      const bound = /^created(?:\[(gte|gt|lte|lt)\])?$/.exec(name);
      if (!bound) {
        if (!KNOWN_PARAMETERS.has(name)) throw unknownParameter(name);
        continue;
      }
      if (!collection.filter) throw unknownParameter('created');
      const second = Number(value);
      if (!Number.isInteger(second))
        throw new StripeError(400, 'invalid_request_error', `Invalid integer: ${value}`, { param: name });
      if (bound[1] === 'gte' || bound[1] === 'gt' || bound[1] === undefined)
        low = Math.max(low, rows.countBefore(bound[1] === 'gt' ? second + 1 : second));
      if (bound[1] === 'lt' || bound[1] === 'lte' || bound[1] === undefined)
        high = Math.min(high, rows.countBefore(bound[1] === 'lt' ? second : second + 1));
    }
    const after = query.get('starting_after');
    const before = query.get('ending_before');
    if (after !== null) high = Math.min(high, this.cursor(rows, after, 'starting_after', dice));
    if (before !== null) low = Math.max(low, this.cursor(rows, before, 'ending_before', dice) + 1);
    if (after !== null && dice.strikes('empty'))
      return `{"object":"list","data":[],"has_more":true,"url":"/v1/${collection.path}"}`;
    const found: number[] = [];
    const step = before === null ? -1 : 1;
    for (let i = before === null ? high - 1 : low; i >= low && i < high && found.length <= limit; i += step) {
      if (!rows.isDeleted(i)) found.push(i);
    }
    const more = found.length > limit;
    if (more) found.pop();
    if (before !== null) found.reverse();
    const head = '{"object":"list","data":[';
    const tail = `],"has_more":${more},"url":"/v1/${collection.path}"}`;
    if (hasNested(collection.path))
      return head + found.map((index) => withNested(rows, this.data.seed, index, version)).join(',') + tail;
    return this.bodies.fill((target) => {
      let at = target.write(head, 0, 'latin1');
      for (let k = 0; k < found.length && at >= 0; k++) {
        if (k > 0) target[at++] = COMMA;
        at = rows.write(target, at, found[k]!, version);
      }
      return at < 0 ? at : writeText(target, at, tail);
    });
  }

  private cursor(rows: Rows, id: string, param: string, dice: FaultDice): number {
    const index = rows.indexOf(id);
    if (index < 0 || (rows.isDeleted(index) && !rows.collection.keepsDeleted) || dice.strikes('cursor'))
      throw missing(rows.collection.object, id, param);
    return index;
  }

  /** Events of the last 30 days: those made from the seed, and those of what changed. */
  private listEvents(rows: Rows, query: URLSearchParams, version: string): string {
    const limit = limitOf(query);
    const now = this.data.second();
    const oldest = rows.countBefore(now - EVENTS_SECONDS);
    const total = rows.size + this.events.length;
    const secondOf = (i: number) => (i < rows.size ? rows.secondOf(i) : this.events[i - rows.size]!.second);
    const idOf = (i: number) =>
      i < rows.size ? rows.idOf(i) : `evt_live${(i - rows.size).toString(36).padStart(10, '0')}`;
    const after = query.get('starting_after');
    let high = total;
    if (after !== null) {
      high = after.startsWith('evt_live') ? rows.size + Number.parseInt(after.slice(8), 36) : rows.indexOf(after);
      if (!(high >= 0)) throw missing('event', after, 'starting_after');
    }
    const gte = Number(query.get('created[gte]') ?? 0);
    const lt = Math.min(
      Number(query.get('created[lt]') ?? Infinity),
      Number(query.get('created[lte]') ?? Infinity) + 1,
    );
    const types = query.getAll('types[]');
    const data: string[] = [];
    let more = false;
    for (let i = high - 1; i >= oldest; i--) {
      const second = secondOf(i);
      if (second >= lt) continue;
      if (second < gte) break;
      const event = i < rows.size ? undefined : this.events[i - rows.size]!;
      if (types.length > 0 && !types.includes(event?.type ?? 'customer.updated')) continue;
      if (data.length === limit) {
        more = true;
        break;
      }
      data.push(
        event
          ? `{"id":"${idOf(i)}","object":"event","account":null,"api_version":"2019-08-14","created":${second},"data":{"object":${event.object}},"livemode":false,"pending_webhooks":0,"request":{"id":null,"idempotency_key":null},"type":"${event.type}"}`
          : rows.render(i, version),
      );
    }
    return `{"object":"list","data":[${data.join(',')}],"has_more":${more},"url":"/v1/events"}`;
  }
}

const KNOWN_PARAMETERS = new Set([
  'limit',
  'starting_after',
  'ending_before',
  'status',
  'expand[]',
  'customer',
  'type',
  'active',
]);

function versionOf(request: TestbedRequest): string {
  return String(request.headers['stripe-version'] ?? FIRST_VERSION);
}

function withoutAccount(headers: TestbedRequest['headers']): TestbedRequest['headers'] {
  const { 'stripe-account': _, 'stripe-context': __, ...others } = headers;
  return others;
}
