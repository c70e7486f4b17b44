/** The scripted server of the oracle: both sides ask it below a path of their own, and it keeps what was asked for. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  method: string;
  /** As sent, without what the rig put before it. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface Answer {
  status: number;
  /** `__BASE__` in a text stands for the address that the side asks below. */
  body: string | Buffer;
  headers: Record<string, string>;
}

/** One side's view of one scenario's server; a new one for each run. */
export type Answerer = (asked: Asked) => Answer;

export class OracleServer {
  private readonly asked = new Map<string, string[]>();
  private readonly answerers = new Map<string, Answerer>();
  private readonly server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => this.answer(request, Buffer.concat(chunks).toString(), response));
  });

  /** `answererOf` is asked once for each name and side. `isCounted`: whether a path's requests are kept. */
  constructor(
    private readonly answererOf: (name: string, side: string) => Answerer | undefined,
    private readonly isCounted: (name: string, path: string) => boolean,
  ) {}

  listen(): Promise<void> {
    return new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  urlOf(name: string, side: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/r/${name}/${side}`;
  }

  /** What a side asked for, in no order that means anything. */
  requestsOf(name: string, side: string): string[] {
    return (this.asked.get(`${name}/${side}`) ?? []).toSorted();
  }

  /** `/r/NAME/SIDE` comes before the API's own path. */
  private answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    const url = new URL(request.url!, 'http://x');
    const [, , name = '', side = '', ...rest] = url.pathname.split('/');
    const key = `${name}/${side}`;
    const answerer = this.answerers.get(key) ?? this.answererOf(name, side);
    if (!answerer) {
      response.writeHead(404).end();
      return;
    }
    this.answerers.set(key, answerer);
    const path = `/${rest.join('/')}`;
    const { method = '', headers } = request;
    if (this.isCounted(name, path))
      this.asked.set(key, [...(this.asked.get(key) ?? []), written(method, headers, path, url, body)]);
    const answer = answerer({ method, path, query: url.searchParams, headers, body });
    const base = this.urlOf(name, side);
    const at = answer.headers['Location'];
    response.writeHead(answer.status, {
      ...answer.headers,
      ...(answer.headers['Link'] === undefined ? {} : { Link: answer.headers['Link'].replaceAll('__BASE__', base) }),
      ...(at === undefined ? {} : { Location: base + at }),
    });
    response.end(typeof answer.body === 'string' ? answer.body.replaceAll('__BASE__', base) : answer.body);
  }
}

/** A request as both sides are held against: without what no API looks at. */
function written(method: string, headers: IncomingMessage['headers'], path: string, url: URL, body: string): string {
  const query = [...url.searchParams].map(([key, value]) => `${key}=${value}`).toSorted();
  const extra = Object.entries(headers).filter(([key]) => !COMMON.has(key));
  return JSON.stringify([method, path, query, contentOf(headers, body), extra.toSorted()]);
}

/** A body without what its writer chose: the order of keys and fields. */
export function contentOf(headers: IncomingMessage['headers'], body: string): unknown {
  const isForm = headers['content-type'] === 'application/x-www-form-urlencoded';
  return isForm ? [...new URLSearchParams(body)].toSorted() : parsed(body);
}

const COMMON = new Set(['host', 'user-agent', 'accept-encoding', 'connection', 'content-length', 'accept']);

function parsed(body: string): unknown {
  try {
    return sorted(JSON.parse(body));
  } catch {
    return body;
  }
}

/** Keys in order; fields without a value, which the protocol of Airbyte's own serializer leaves out, are left out. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
