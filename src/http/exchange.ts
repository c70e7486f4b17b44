/** One request on the wire, and its answer: size, length and form are checked, the body is unpacked and read. */
import type { Dispatcher } from 'undici';
import { LIMITS } from '../base/bounds.js';
import type { Egress } from '../base/egress.js';
import { FatalError, messageOf, RetriableError } from '../base/errors.js';
import { parseJson } from '../base/json.js';
import { charsetOf, textOfBody, unpacked } from './bodies.js';
import type { ApiRequest, ApiResponse } from './request.js';
import type { Deadline } from './deadline.js';
import { assertTarget } from './dispatcher.js';
import { pageTitle } from './failures.js';
import { isRedirect, type SentRequest } from './redirects.js';

/** Code of an answer that is a web page. */
export const WEB_PAGE = 'web_page';

/** Sends what was composed and reads its answer. Throws what undici throws, and RetriableError for a useless body. */
export async function exchange(
  dispatcher: Pick<Dispatcher, 'request'>,
  egress: Egress | undefined,
  request: ApiRequest,
  sent: SentRequest,
  deadline: Deadline,
): Promise<ApiResponse> {
  const url = new URL(sent.url);
  if (egress) await assertTarget(egress, url.href);
  const cookie = 'cookie' in sent.headers ? undefined : request.cookies?.headerFor(sent.url);
  const answer = await dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: sent.method as Dispatcher.HttpMethod,
    headers: cookie === undefined ? sent.headers : { ...sent.headers, cookie },
    ...(sent.body === undefined ? {} : { body: sent.body }),
    signal: deadline.signal,
  });
  deadline.bodyBegins();
  request.cookies?.take(sent.url, answer.headers['set-cookie']);
  const packed = await bodyOf(answer, request, deadline);
  const bytes = packed.length;
  const headers = answer.headers;
  const date = Date.parse(String(headers['date'] ?? ''));
  const response = { status: answer.statusCode, headers, serverTimeMs: Number.isNaN(date) ? undefined : date, bytes };
  if (isRedirect(response.status, headers['location'])) return { ...response, body: undefined };
  const body = unpacked(packed, headers);
  if (request.decode && response.status < 400) return { ...response, body: request.decode(body, headers) };
  const sliced = request.slice && response.status < 400 && isPlain(headers) ? request.slice(body) : undefined;
  if (sliced !== undefined) return { ...response, body: sliced };
  return { ...response, body: parsed(textOfBody(body, charsetOf(headers)), response.status, headers) };
}

/** JSON whose bytes are UTF-8 if they can be. */
function isPlain(headers: ApiResponse['headers']): boolean {
  const type = String(headers['content-type'] ?? '');
  return /\bjson\b/i.test(type) && !/\bhtml\b/i.test(type) && (charsetOf(headers) ?? 'utf-8').toLowerCase() === 'utf-8';
}

/** The body as it was sent, whole. */
async function bodyOf(answer: Dispatcher.ResponseData, request: ApiRequest, deadline: Deadline): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    deadline.received(chunk.length);
    if (bytes > LIMITS.responseBytes) {
      answer.body.destroy();
      throw new FatalError('an answer is larger than Headrace accepts', {
        code: 'response_too_large',
        place: request.endpoint,
        expected: `at most ${LIMITS.responseBytes} bytes`,
        found: 'more',
      });
    }
    chunks.push(chunk);
  }
  const length = Number(answer.headers['content-length']);
  if (Number.isFinite(length) && answer.headers['content-encoding'] === undefined && length !== bytes) {
    throw new RetriableError(`the body ends after ${bytes} of ${length} bytes`, { code: 'body_cut' });
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
}

/** A body that is no JSON is only of use where the status already tells the story. */
function parsed(text: string, status: number, headers: ApiResponse['headers']): unknown {
  const type = String(headers['content-type'] ?? '');
  const isJson = /\bjson\b/i.test(type);
  const page = status < 400 ? pageTitle(text, type) : undefined;
  if (page !== undefined) throw new RetriableError(`the answer is ${page}, not JSON`, { code: WEB_PAGE });
  if (!isJson && status < 400) {
    throw new RetriableError(`the answer is ${type || 'of no content type'}, not JSON`, {
      code: 'wrong_content_type',
    });
  }
  try {
    return parseJson(text);
  } catch (error) {
    if (status >= 400) return undefined;
    throw new RetriableError(`the answer is not valid JSON: ${messageOf(error)}`, {
      code: 'invalid_json',
      cause: error,
    });
  }
}
