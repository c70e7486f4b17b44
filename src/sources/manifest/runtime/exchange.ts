/** One request of a manifest's requester and its answer: the error handler judges, credentials are renewed. */
import { charsetOf } from '../../../http/bodies.js';
import type { ApiClient } from '../../../http/client.js';
import type { ApiResponse } from '../../../http/request.js';
import { Cookies } from '../../../http/cookies.js';
import type { Dialect } from '../../../http/dialects/dialect.js';
import type { Ticket } from '../../../gate/gate.js';
import type { JsonObject } from '../document/read.js';
import type { Authenticator } from './credential.js';
import { HalfDecodedError, NotJsonError, type Decode } from './decoders.js';
import { errorHandler, verdictOf, type Action, type Resolution } from './error-handler.js';
import { fields, type Kit, type Scope } from './kit.js';
import type { RequestParts } from './options.js';
import { refusedPlace, UNKNOWN_PLACE } from './refused-place.js';
import { credentialed, Renewal } from './renewal.js';
import { requester, type BuiltRequest, type Requester } from './requester.js';

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
  authenticator: (component: JsonObject | undefined, base: string) => Authenticator;
}

/** Sends one requester's requests, with its error handler and its credentials. */
export interface Exchanger {
  requests: Requester;
  send(input: SendInput): Promise<Sent>;
}

export interface Sent {
  response: ApiResponse;
  documents: unknown[];
  /** An error that the connector ignores. */
  isIgnored: boolean;
  /** An attempt before it may have been answered as well. */
  wasLost: boolean;
  /** Why the documents are not all of the answer. */
  failure?: unknown;
}

export interface SendInput {
  signal: AbortSignal;
  weight: () => number;
  ticket?: Ticket | undefined;
  scope: Scope;
  /** Adds to the request; returns a path that takes the place of its own. */
  fill: (parts: RequestParts) => string | undefined;
  /** Nothing was read yet: there is nothing to begin anew. */
  isFirst: boolean;
  /** The request is for all of the stream: neither for a part of it nor for a window. */
  isWhole?: boolean;
  /** It goes on where a cursor or a page's number says, which the API may not know. */
  goesOnBy?: 'cursor' | 'number' | undefined;
  /** At most so many attempts. Default: as the manifest says. */
  attempts?: number | undefined;
  /** Documents before a broken one are wanted, with the failure. Default: it is thrown. */
  half?: boolean | undefined;
}

/** Answers of a gateway, and of who failed midway: the API may have answered all the same. */
const ANSWERED_OTHERWISE = new Set([500, 502, 504]);

export function exchanger(
  kit: Kit,
  stream: string,
  component: JsonObject,
  decode: Decode,
  parts: RetrieverParts,
): Exchanger {
  const requests = requester(kit, component);
  const handle = errorHandler(kit, fields(requests.component, 'error_handler'));
  const auth = parts.authenticator(fields(requests.component, 'authenticator'), requests.base);
  const cookies = new Cookies();
  const place = `${requests.base.replace(/\/$/, '')}/${requests.endpoint}`;
  // An error that comes with status 200 is one all the same; its body is what was decoded.
  const seen = (answer: ApiResponse) =>
    answer.status < 400 && Array.isArray(answer.body) ? { ...answer, body: answer.body[0] as unknown } : answer;

  const dialect = dialectOf(parts.dialect, auth, requests, (response) => handle(response as ApiResponse, place));

  return {
    requests,
    async send(input) {
      const { scope, fill, isFirst, isWhole = false, goesOnBy, signal, weight, ticket, attempts } = input;
      let sent: BuiltRequest | undefined;
      let action: Action | undefined;
      let wasLost = false;
      const renewal = new Renewal(auth);
      const halves = halvesOf(decode);
      const asking = parts.client.request({
        path: '',
        endpoint: requests.endpoint,
        signal,
        weight,
        ticket,
        decode: (body, headers) =>
          isFirst && isWhole
            ? decodedOrEmpty(kit, stream, halves.decode, body, headers)
            : halves.decode(body, charsetOf(headers)),
        cookies,
        attempts: attempts ?? handle.attempts,
        withinMs: handle.withinMs,
        dialect,
        judge: (answer) => {
          if (sent) parts.onExchange?.({ stream, ...sent, status: answer.status, answer: answer.body });
          const handled = handle(seen(answer), place);
          const isRefused = goesOnBy !== undefined && handled.isDefault === true && UNKNOWN_PLACE.has(answer.status);
          const resolution: Resolution = isRefused ? { ...handled, action: 'FAIL' } : handled;
          ({ action } = resolution);
          const renewed = renewal.verdictOn(resolution, answer, place);
          if (renewed) return renewed;
          if (resolution.action === 'RESET_PAGINATION' && isFirst)
            return { kind: 'retry', reason: resolution.message ?? `status ${answer.status}` };
          wasLost ||= action === 'RETRY' && ANSWERED_OTHERWISE.has(answer.status);
          return refusedPlace(verdictOf(resolution, seen(answer), stream, place), answer.status, goesOnBy);
        },
        onLost: () => (wasLost = true),
        outgoing: async (permit) => {
          const filled = requests.parts(scope);
          const path = fill(filled);
          const without = credentialed(filled);
          await auth.apply(filled, permit);
          renewal.sent();
          return (sent = { ...requests.finish(filled, scope, path), ...without(filled) });
        },
      });
      const response = input.half && !signal.aborted ? await asking.catch(halves.instead) : await asking;
      return sentOf(response, action, wasLost);
    },
  };
}

/** In place of an answer that was broken each time. */
const HALF: ApiResponse = { status: 200, headers: {}, body: undefined, serverTimeMs: undefined, bytes: 0 };

/** Keeps what was decoded of the last answer before it broke off. */
function halvesOf(decode: Decode) {
  const halves = {
    documents: [] as unknown[],
    decode: ((body, charset) => {
      halves.documents = [];
      try {
        return decode(body, charset);
      } catch (error) {
        if (error instanceof HalfDecodedError) halves.documents = error.documents;
        throw error;
      }
    }) as Decode,
    instead(failure: unknown): ApiResponse & { failure: unknown } {
      if (halves.documents.length === 0) throw failure;
      return { ...HALF, body: halves.documents, failure };
    },
  };
  return halves;
}

function sentOf(response: ApiResponse & { failure?: unknown }, action: Action | undefined, wasLost: boolean): Sent {
  const { failure } = response;
  // An answer that an error handler ignores has no records, and nothing follows it.
  const isIgnored = failure === undefined && action === 'IGNORE';
  return { response, wasLost, isIgnored, documents: isIgnored ? [] : documentsOf(response), failure };
}

function documentsOf({ status, body }: ApiResponse): unknown[] {
  return status < 400 && Array.isArray(body) ? (body as unknown[]) : [];
}

/** What a response tells of limits, also of one that only the manifest knows the sign of. */
function dialectOf(
  vendor: Dialect,
  auth: Authenticator,
  requests: Requester,
  handle: (response: Parameters<Dialect>[0]) => Resolution,
): Dialect {
  const signsOf: Dialect = (response) => {
    const signs = vendor(response);
    if (response.status < 400) return signs;
    const { action, waitMs } = handle(response);
    if (action === 'RATE_LIMITED' || (response.status === 429 && action === 'RETRY'))
      return { ...signs, rejection: { ...signs.rejection, retryAfterMs: signs.rejection?.retryAfterMs ?? waitMs } };
    return { ...signs, rejection: undefined };
  };
  return (response) => auth.signs?.(response, requests.endpoint, signsOf(response)) ?? signsOf(response);
}

/** Airbyte takes a page for people as one without records. In the middle of a stream that would be a hole. */
function decodedOrEmpty(
  kit: Kit,
  stream: string,
  decode: Decode,
  body: Buffer,
  headers: ApiResponse['headers'],
): unknown[] {
  try {
    return decode(body, charsetOf(headers));
  } catch (error) {
    if (!(error instanceof NotJsonError)) throw error;
    kit.notes.add(`stream ${stream} was answered with no JSON, and has no rows of it: ${error.found ?? ''}`);
    return [{}];
  }
}
