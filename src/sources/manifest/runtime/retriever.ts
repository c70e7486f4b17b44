/**
 * One page of a stream, as a function: the request is made from partition, window and token; the answer becomes records
 * and the next token. Nothing is kept between pages: where a walk goes on is in its cursor.
 */
import type { ApiClient, ApiResponse } from '../../../http/client.js';
import type { Dialect } from '../../../http/dialects/dialect.js';
import { CursorGoneError, FatalError } from '../../../base/errors.js';
import type { Evidence } from '../../../base/evidence.js';
import type { DataRecord } from '../../../base/catalog.js';
import type { Ticket } from '../../../gate/gate.js';
import type { Json, JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import type { Authenticator } from './credential.js';
import { charsetOf } from '../../../http/bodies.js';
import { Cookies } from '../../../http/cookies.js';
import { decoder, NotJsonError, type Decode } from './decoders.js';
import { credentialed, Renewal } from './renewal.js';
import { errorHandler, verdictOf, type Action } from './error-handler.js';
import { fields, type Kit, type Scope } from './kit.js';
import type { RequestParts } from './options.js';
import { headerDict } from './answer-headers.js';
import { paginator, type Paginator } from './paginator.js';
import { selector, type Selected } from './records.js';
import { propertyChunks, requester, type BuiltRequest, type PropertyChunks, type Requester } from './requester.js';
import { replaced } from './twins.js';

/** The code of an ignored error past the first page. */
export const IGNORED_MIDWAY = 'ignored_midway';

export interface PageInput {
  /** What templates see as `stream_slice`. */
  slice: Dict;
  token: Json;
  signal: AbortSignal;
  weight: () => number;
  ticket?: Ticket | undefined;
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
}

export interface Retriever {
  requester: Requester;
  paginator: Paginator;
  page(input: PageInput): Promise<PageOutput>;
  /** A first page whose answer came with its parent; undefined where one answer does not make a page. */
  pageOf?: ((document: unknown, slice: Dict) => PageOutput) | undefined;
}

/** A request and its answer, for a connector's author. Secrets are still in it: redact what is shown. */
export interface Exchange {
  stream: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  status: number;
  /** Decoded. */
  answer: unknown;
}

export interface RetrieverParts {
  onExchange?: ((exchange: Exchange) => void) | undefined;
  client: ApiClient;
  dialect: Dialect;
  authenticator: (component: JsonObject | undefined) => Authenticator;
}

/** Sends one requester's requests, with its error handler and its credentials. */
export interface Exchanger {
  requests: Requester;
  send(input: SendInput): Promise<Sent>;
}

interface Sent {
  response: ApiResponse;
  documents: unknown[];
  /** An error that the connector ignores. */
  isIgnored: boolean;
}

interface SendInput extends Pick<PageInput, 'signal' | 'weight' | 'ticket'> {
  scope: Scope;
  /** Adds to the request; returns a path that takes the place of its own. */
  fill: (parts: RequestParts) => string | undefined;
  /** Nothing was read yet: there is nothing to begin anew. */
  isFirst: boolean;
  /** The request is for all of the stream: neither for a part of it nor for a window. */
  isWhole?: boolean;
}

export function exchanger(
  kit: Kit,
  stream: string,
  component: JsonObject,
  decode: Decode,
  parts: RetrieverParts,
): Exchanger {
  const requests = requester(kit, component);
  const handle = errorHandler(kit, fields(requests.component, 'error_handler'));
  const auth = parts.authenticator(fields(requests.component, 'authenticator'));
  const cookies = new Cookies();
  const place = `${requests.base.replace(/\/$/, '')}/${requests.endpoint}`;
  // An error that comes with status 200 is one all the same; its body is what was decoded.
  const seen = (answer: ApiResponse) =>
    answer.status < 400 && Array.isArray(answer.body) ? { ...answer, body: answer.body[0] as unknown } : answer;

  /** A limit that only the manifest knows the sign of. */
  const signsOf: Dialect = (response) => {
    const signs = parts.dialect(response);
    if (response.status < 400) return signs;
    const { action, waitMs } = handle(response as ApiResponse, place);
    if (action === 'RATE_LIMITED' || (response.status === 429 && action === 'RETRY'))
      return { ...signs, rejection: { ...signs.rejection, retryAfterMs: signs.rejection?.retryAfterMs ?? waitMs } };
    return { ...signs, rejection: undefined };
  };
  const dialect: Dialect = (response) =>
    auth.signs?.(response, requests.endpoint, signsOf(response)) ?? signsOf(response);

  return {
    requests,
    async send({ scope, fill, isFirst, isWhole = false, signal, weight, ticket }) {
      let sent: BuiltRequest | undefined;
      let action: Action | undefined;
      const renewal = new Renewal(auth);
      const response = await parts.client.request({
        path: '',
        endpoint: requests.endpoint,
        signal,
        weight,
        ticket,
        decode: (body, headers) => {
          try {
            return decode(body, charsetOf(headers));
          } catch (error) {
            // Airbyte takes a page for people as one without records. In the middle of a stream that would be a hole.
            if (!(error instanceof NotJsonError) || !isFirst || !isWhole) throw error;
            kit.notes.add(`stream ${stream} was answered with no JSON, and has no rows of it: ${error.found ?? ''}`);
            return [{}];
          }
        },
        cookies,
        attempts: handle.attempts,
        withinMs: handle.withinMs,
        dialect,
        judge: (answer) => {
          if (sent) parts.onExchange?.({ stream, ...sent, status: answer.status, answer: answer.body });
          const resolution = handle(seen(answer), place);
          ({ action } = resolution);
          const renewed = renewal.verdictOn(resolution, answer, place);
          if (renewed) return renewed;
          if (resolution.action === 'RESET_PAGINATION' && isFirst)
            return { kind: 'retry', reason: resolution.message ?? `status ${answer.status}` };
          return verdictOf(resolution, seen(answer), stream, place);
        },
        outgoing: async (permit) => {
          const filled = requests.parts(scope);
          const path = fill(filled);
          const without = credentialed(filled);
          await auth.apply(filled, permit);
          renewal.sent();
          return (sent = { ...requests.finish(filled, scope, path), ...without(filled) });
        },
      });
      // An answer that an error handler ignores has no records, and nothing follows it.
      return {
        response,
        isIgnored: action === 'IGNORE',
        documents:
          response.status < 400 && action !== 'IGNORE' && Array.isArray(response.body)
            ? (response.body as unknown[])
            : [],
      };
    },
  };
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
  const chunked = propertyChunks(kit, replaced(kit, own['requester'] as JsonObject));
  const { requests, send } = exchanger(
    kit,
    String(stream['name'] ?? ''),
    own['requester'] as JsonObject,
    decoder(kit, fields(own, 'decoder')),
    parts,
  );
  const scopeOf = (slice: Dict, token: Json): Scope => ({
    stream_slice: slice,
    next_page_token: token === null ? null : { next_page_token: token as never },
  });
  const nextOf = (document: unknown, headers: ApiResponse['headers'], selected: Selected, token: Json, slice: Dict) =>
    pages.next({
      document,
      headers: headerDict(headers),
      size: selected.received.length,
      lastRecord: lastOf(selected),
      token,
      slice,
    });
  return {
    requester: requests,
    paginator: pages,
    pageOf: chunked
      ? undefined
      : (document, slice) => {
          const selected = select([document], scopeOf(slice, pages.first));
          return {
            ...selected,
            next: nextOf(document, {}, selected, pages.first, slice),
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
      const end = endOf(sent, selected, input.token === pages.first, requests.endpoint);
      const next =
        documents.length === 0 ? null : nextOf(document, response.headers, selected, input.token, input.slice);
      return { ...selected, next, serverTimeMs: response.serverTimeMs, bytes: response.bytes, document, end };
    },
  };
}

/**
 * Why a page without rows is believed. Amid a walk an ignored error, or an answer without its list, is no end: the walk
 * begins anew, or says what came. On the first page it may mean that there is nothing, which is weak.
 */
function endOf(
  { response, documents, isIgnored }: Sent,
  selected: Selected,
  isFirst: boolean,
  place: string,
): Evidence | undefined {
  if (isIgnored) {
    if (isFirst) return { kind: 'ignored' };
    throw new CursorGoneError('an error that the connector ignores came amid its pages', {
      code: IGNORED_MIDWAY,
      place,
      expected: 'the next page, or the end',
      found: `status ${response.status}`,
      next: 'run again; if it stays, the connector ignores an error that is one',
    });
  }
  if (!selected.isMissing) return undefined;
  const [document] = documents;
  const detail = {
    place,
    expected: 'the list of records that the connector reads',
    found: JSON.stringify(document, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))?.slice(
      0,
      160,
    ),
  };
  if (saysError(document))
    throw new FatalError(`the API answered with an error and status ${response.status}`, {
      ...detail,
      code: 'error_envelope',
      next: 'run again later; if it stays, look at the answer',
    });
  if (isFirst) return { kind: 'stated', doubt: 'path' };
  throw new FatalError('a page of the API does not hold its list of records', {
    ...detail,
    code: 'record_path_missing',
    next: 'run again; if it stays, check the record selector of the manifest',
  });
}

const ERROR_FIELDS = ['error', 'errors', 'fault', 'exception'];

function saysError(document: unknown): boolean {
  if (typeof document !== 'object' || document === null) return false;
  return ERROR_FIELDS.some((field) => {
    const value = (document as Record<string, unknown>)[field];
    return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
  });
}

/** Adds the properties of another part to the records of the first. */
function mergeInto(records: DataRecord[], more: DataRecord[], { keyOf }: PropertyChunks): void {
  const byKey = new Map(records.map((record, index) => [keyOf(record), index]));
  for (const record of more) {
    const index = byKey.get(keyOf(record));
    if (index === undefined) records.push(record);
    else records[index] = { ...records[index], ...record };
  }
}

/** The last record as the stream stores it, or as the server sent it where a filter dropped it. */
function lastOf({ records, received }: Selected): DataRecord | undefined {
  return records.at(-1) ?? received.at(-1);
}
