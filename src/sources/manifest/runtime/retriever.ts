/**
 * One page of a stream, as a function: the request is made from partition, window and token; the answer becomes records
 * and the next token. Nothing is kept between pages: where a walk goes on is in its cursor.
 */
import type { ApiResponse } from '../../../http/request.js';
import type { Evidence } from '../../../base/evidence.js';
import type { DataRecord } from '../../../base/catalog.js';
import { ExactNumber } from '../../../base/json.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import { headerDict } from './answer-headers.js';
import { decoder } from './decoders.js';
import { exchanger, type RetrieverParts, type SendInput } from './exchange.js';
import { define, fields, type Kit, type Scope } from './kit.js';
import type { RequestParts } from './options.js';
import { endOf } from './page-end.js';
import { paginator, type Paginator } from './paginator.js';
import { selector, type Selected } from './records.js';
import { propertyChunks, type PropertyChunks, type Requester } from './requester.js';
import { replaced } from './twins.js';

export interface PageInput extends Pick<SendInput, 'signal' | 'weight' | 'ticket' | 'attempts'> {
  /** What templates see as `stream_slice`. */
  slice: Dict;
  token: Json;
  /** Partition and cursor add their own. */
  fill: (parts: RequestParts) => void;
}

export interface PageOutput extends Selected {
  /** Null: no more pages. */
  next: Json;
  serverTimeMs: number | undefined;
  bytes: number;
  document: unknown;
  /** Why there is nothing after this page, where that is not just stated. */
  end?: Evidence | undefined;
  /** The token past this page, whether or not it claims to be the last; of walks by a cursor. */
  after?: Json | undefined;
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
  const chunked = propertyChunks(kit, asking);
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
    pageOf: chunked
      ? undefined
      : (document, slice) => {
          const selected = select([document], scopeOf(slice, pages.first));
          return {
            ...selected,
            ...onwards(pages, document, {}, selected, pages.first, slice),
            serverTimeMs: undefined,
            bytes: 0,
            document,
          };
        },
    async page(input) {
      const scope = scopeOf(input.slice, input.token);
      const ask = (properties: string | undefined, ticket: PageInput['ticket']) =>
        send({
          ...input,
          ticket,
          scope: properties === undefined ? scope : { ...scope, query_properties: properties },
          isFirst: input.token === pages.first,
          hasCursor: pages.after !== undefined && input.token !== pages.first,
          isWhole: Object.keys(input.slice).every((name) => name === 'extra_fields'),
          fill: (filled) => {
            input.fill(filled);
            return pages.apply(filled, input.token);
          },
        });
      const [first, ...others] = chunked?.chunks ?? [undefined];
      const sent = await ask(first, input.ticket);
      const { response, documents } = sent;
      const selected = documents.length > 0 ? select(documents, scope) : { records: [], received: [] };
      for (const properties of documents.length > 0 ? others : [])
        mergeInto(selected.records, select((await ask(properties, undefined)).documents, scope).records, chunked!);
      const [document] = documents;
      const end = endOf(sent, selected, input.token === pages.first, pages.moves !== undefined, requests.endpoint);
      const on =
        documents.length === 0
          ? { next: null }
          : onwards(pages, document, response.headers, selected, input.token, input.slice);
      const { serverTimeMs, bytes } = response;
      return { ...selected, ...on, serverTimeMs, bytes, document, end, wasLost: sent.wasLost };
    },
  };
}

/** Where the walk goes on after an answer, as the paginator sees it. */
function onwards(
  pages: Paginator,
  document: unknown,
  headers: ApiResponse['headers'],
  selected: Selected,
  token: Json,
  slice: Dict,
): Pick<PageOutput, 'next' | 'after'> {
  const seen = {
    document,
    headers: headerDict(headers),
    size: selected.received.length,
    lastRecord: lastOf(selected),
    token,
    slice,
  };
  const next = pages.next(seen);
  return pages.after ? { next, after: next ?? pages.after(seen) } : { next };
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

/** The last record as the stream stores it, or as the server sent it where a filter dropped it. */
function lastOf({ records, received }: Selected): DataRecord | undefined {
  return records.at(-1) ?? received.at(-1);
}

function scopeOf(slice: Dict, token: Json): Scope {
  return { stream_slice: slice, next_page_token: token === null ? null : { next_page_token: token as never } };
}
