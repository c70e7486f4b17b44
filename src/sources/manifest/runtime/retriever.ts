/**
 * One page of a stream, as a function: the request is made from partition, window and token; the answer becomes records
 * and the next token. Nothing is kept between pages: where a walk goes on is in its cursor.
 */
import type { Evidence } from '../../../base/evidence.js';
import type { DataRecord } from '../../../base/catalog.js';
import { FatalError } from '../../../base/errors.js';
import { ExactNumber, stringifyJson } from '../../../base/json.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import { claimsOf, type Claims } from './answer-claims.js';
import { asker, Asks } from './asks.js';
import { decoder } from './decoders.js';
import { exchanger, type RetrieverParts, type SendInput, type Sent } from './exchange.js';
import { define, fields, type Kit, type Scope } from './kit.js';
import { assertNarrows, pageSizes, TooMuchError, type PageSizes } from './narrowing.js';
import type { RequestParts } from './options.js';
import { endOf } from './page-end.js';
import { onwards, throwFailure, type Onwards } from './onwards.js';
import { paginator, type Paginator } from './paginator.js';
import { selector, type CutOffLists, type Select, type Selected } from './records.js';
import { propertyChunks, type PropertyChunks, type Requester } from './requester.js';
import { replaced } from './twins.js';

export interface PageInput extends Pick<SendInput, 'signal' | 'weight' | 'ticket' | 'attempts'> {
  /** What templates see as `stream_slice`. */
  slice: Dict;
  token: Json;
  /** Partition and cursor add their own. */
  fill: (parts: RequestParts) => void;
  /** Rows that came before something failed are wanted without the rest; default: the page fails. */
  takesHalf?: boolean | undefined;
}

export interface PageOutput extends Selected, Onwards {
  serverTimeMs: number | undefined;
  bytes: number;
  document: unknown;
  /** A step on the way to rows: that it brings none tells nothing. */
  isStep?: boolean | undefined;
  /** Why there is nothing after this page, where that is not just stated. */
  end?: Evidence | undefined;
  /** What the answer says of rows that it does not hold. */
  claims?: Claims | undefined;
  /** The API gives no more rows of a time than these. */
  isCutOff?: boolean | undefined;
  /** Rows that were asked for, where they are not as many as declared. */
  pageSize?: number | undefined;
  /** An attempt before the one that brought it may have been answered as well. */
  wasLost?: boolean | undefined;
}

export interface Retriever {
  requester: Requester;
  paginator: Paginator;
  page(input: PageInput): Promise<PageOutput>;
  /** A first page whose answer came with its parent; undefined where one answer does not make a page. */
  pageOf?: ((document: unknown, slice: Dict) => PageOutput) | undefined;
}

export function retriever(
  kit: Kit,
  stream: JsonObject,
  component: JsonObject,
  schema: () => JsonObject,
  parts: RetrieverParts,
): Retriever {
  const own = replaced(kit, component);
  const pages = paginator(kit, fields(own, 'paginator'));
  const select = selector(kit, own['record_selector'] as JsonObject, stream, schema);
  const asking = replaced(kit, own['requester'] as JsonObject, schema);
  const chosen = chooser(kit, stream, select, parts);
  const lists = select.lists && wholeLists(kit, stream, select.lists, parts);
  const chunked = propertyChunks(kit, asking);
  assertNarrows(kit, own, asking);
  const sizes = pageSizes(own, pages.pageSize, kit.clock);
  const { requests, send } = exchanger(
    kit,
    String(stream['name'] ?? ''),
    asking,
    decoder(kit, fields(own, 'decoder')),
    parts,
  );
  return {
    requester: requests,
    paginator: pages,
    pageOf: chunked || select.asks ? undefined : (document, slice) => firstOf(pages, select, document, slice),
    async page(input) {
      const scope = scopeOf(input.slice, input.token);
      const ask = (properties: string | undefined, ticket: PageInput['ticket']) =>
        send({
          ...input,
          ticket,
          scope: properties === undefined ? scope : { ...scope, query_properties: properties },
          isFirst: input.token === pages.first,
          half: input.takesHalf && !chunked,
          goesOnBy: input.token === pages.first ? undefined : pages.after ? 'cursor' : numberOf(pages),
          isWhole: Object.keys(input.slice).every((name) => name === 'extra_fields'),
          fill: (filled) => {
            input.fill(filled);
            return pages.apply(filled, input.token, sizes?.of(input.slice));
          },
        });
      const [first, ...others] = chunked?.chunks ?? [undefined];
      const sent = await asked((ticket) => ask(first, ticket), input, sizes);
      const pageSize = sizes?.of(input.slice);
      const { response, documents } = sent;
      if (lists) await lists(documents, scope, input);
      const selected: Selected =
        documents.length > 0 ? await chosen(documents, scope, input) : { records: [], received: [] };
      selected.failure ??= sent.failure;
      if (!input.takesHalf || selected.records.length === 0 || chunked) throwFailure(selected);
      for (const properties of documents.length > 0 ? others : []) {
        const more = await chosen((await ask(properties, undefined)).documents, scope, input);
        throwFailure(more);
        mergeInto(selected.records, more.records, chunked!);
      }
      const document = documents[0];
      const end = endOf(sent, selected, input.token === pages.first, pages.moves !== undefined, requests.endpoint);
      const seen = [document, response.headers, selected, input.token, input.slice, pageSize] as const;
      const on: Onwards = documents.length === 0 ? { next: null } : onwards(pages, ...seen);
      if (!input.takesHalf || selected.records.length === 0) throwFailure(on);
      sizes?.came(input.slice, on.next === null);
      const { serverTimeMs, bytes } = response;
      const claims = sent.isIgnored ? undefined : claimsOf(documents, response, select.path?.(scope), select.isWhole);
      return { ...selected, ...on, serverTimeMs, bytes, document, end, claims, pageSize, wasLost: sent.wasLost };
    },
  };
}

/** Records of an answer, once what their transformations ask for is known. */
function chooser(kit: Kit, { name }: JsonObject, select: Select, parts: RetrieverParts) {
  const askFor = select.asks ? asker(kit, String(name ?? ''), parts) : undefined;
  return async (documents: unknown[], scope: Scope, input: PageInput): Promise<Selected> => {
    if (!askFor) return select(documents, scope);
    const asks = new Asks();
    return asks.settle(
      () => select(documents, asks.in(scope)),
      (ask, seen) => askFor(ask, seen, input),
    );
  };
}

/** A first page whose answer is known. */
function firstOf(pages: Paginator, select: Select, document: unknown, slice: Dict): PageOutput {
  const selected = select([document], scopeOf(slice, pages.first));
  return {
    ...selected,
    ...onwards(pages, document, {}, selected, pages.first, slice),
    serverTimeMs: undefined,
    bytes: 0,
    document,
  };
}

/** Reads the lists whole that an answer cuts off; what came embedded stays where nothing else comes. */
function wholeLists(kit: Kit, { name }: JsonObject, lists: CutOffLists, parts: RetrieverParts) {
  const { page, paginator: pages } = retriever(kit, { name: name ?? '' }, lists.retriever, () => ({}), parts);
  return async (documents: unknown[], scope: Scope, { signal, weight }: PageInput): Promise<void> => {
    for (const record of lists.of(documents, scope)) {
      const items: DataRecord[] = [];
      let token: Json = pages.first;
      for (;;) {
        const output = await page({ slice: { parent_record: record as Dict }, token, signal, weight, fill() {} });
        items.push(...output.records);
        if (output.next === null) break;
        if (output.received.length === 0 || stringifyJson(output.next) === stringifyJson(token))
          throw new FatalError('the pages of a cut off list do not go on', {
            code: 'pages_stand_still',
            place: String(name ?? ''),
            expected: 'another page, or the end',
            found: `${output.received.length} rows for ${stringifyJson(token).slice(0, 80)}`,
            next: 'check the paginator of truncated_list_retriever',
          });
        token = output.next;
      }
      lists.complete(record, items);
    }
  };
}

/** Asks again for a smaller page as often as the API says that it was too much. */
async function asked(
  ask: (ticket: PageInput['ticket']) => Promise<Sent>,
  { slice, ticket, signal }: PageInput,
  sizes: PageSizes | undefined,
): Promise<Sent> {
  for (let own = ticket; ; own = undefined) {
    try {
      return await ask(own);
    } catch (error) {
      if (!sizes || !(error instanceof TooMuchError) || error.less !== 'page') throw error;
      await sizes.lower(slice, error, signal);
    }
  }
}

/** Pages by number may be asked for past the last one. */
function numberOf({ moves }: Paginator): 'number' | undefined {
  return moves === 'page' ? 'number' : undefined;
}

/** Adds the properties of another part to the records of the first. */
function mergeInto(records: DataRecord[], more: DataRecord[], { keyOf }: PropertyChunks): void {
  const byKey = new Map(records.map((record, index) => [keyOf(record), index]));
  for (const record of more) {
    const key = keyOf(record);
    const index = key === undefined ? undefined : byKey.get(key);
    if (index === undefined) records.push(record);
    else records[index] = merged(records[index]!, record);
  }
}

/** Objects within both are merged too. */
function merged(base: DataRecord, more: DataRecord): DataRecord {
  const made = { ...base };
  for (const [name, value] of Object.entries(more)) {
    const known = Object.hasOwn(made, name) ? made[name] : undefined;
    define(made, name, isPlain(known) && isPlain(value) ? merged(known, value) : value);
  }
  return made;
}

const isPlain = (value: unknown): value is DataRecord => isObject(value) && !(value instanceof ExactNumber);

function scopeOf(slice: Dict, token: Json): Scope {
  // A token is what the paginator made: a value of templates, which its type does not say.
  return { stream_slice: slice, next_page_token: token === null ? null : { next_page_token: token as never } };
}
