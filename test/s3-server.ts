/**
 * A bucket for tests, as strict as S3 where it matters: signatures are computed again from AWS's description and must
 * match, If-None-Match and If-Match are kept, lists come in pages. It can fail, and lose answers of what it did.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const ACCESS_KEY = 'AKIATESTBUCKET';
export const SECRET = ['test', 'secret', 'of', 'the', 'bucket'].join('-');
const PAGE = 7;

export interface TestBucket {
  endpoint: string;
  objects: Map<string, Buffer>;
  requests: { method: string; key: string; status: number }[];
  /** Decides what goes wrong with a request: an error before it is carried out, or its answer lost after it was. */
  fault: ((method: string, key: string) => 'error' | 'lost' | '') | undefined;
  /** Takes no notice of If-None-Match, as servers that do not know it. */
  overwrites: boolean;
  close(): Promise<void>;
}

export async function startBucket(bucket = 'lake'): Promise<TestBucket> {
  const objects = new Map<string, Buffer>();
  const requests: TestBucket['requests'] = [];
  const server: Server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const made: TestBucket = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    requests,
    fault: undefined,
    overwrites: false,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const url = new URL(request.url!, 'http://x');
    const key = decodeURIComponent(url.pathname.slice(bucket.length + 2));
    const answer = (status: number, text: string | Buffer = '', headers: Record<string, string> = {}) => {
      requests.push({ method: request.method!, key, status });
      response.writeHead(status, headers).end(text);
    };
    const refuse = (status: number, code: string) =>
      answer(status, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
    if (!url.pathname.startsWith(`/${bucket}/`)) return refuse(404, 'NoSuchBucket');
    if (!isSigned(request, url, body)) return refuse(403, 'SignatureDoesNotMatch');
    const fault = made.fault?.(request.method!, key);
    if (fault === 'error') return refuse(503, 'SlowDown');
    const end = fault === 'lost' ? () => void response.destroy() : answer;
    const there = objects.get(key);
    if (request.method === 'GET' && key === '') return answer(200, listed(objects, url.searchParams));
    if (request.method === 'GET') return there ? answer(200, there) : refuse(404, 'NoSuchKey');
    if (request.method === 'HEAD') return answer(there ? 200 : 404);
    if (request.method === 'DELETE') {
      objects.delete(key);
      return end(204);
    }
    if (request.headers['if-none-match'] === '*' && there && !made.overwrites) return refuse(412, 'PreconditionFailed');
    const match = request.headers['if-match'];
    if (match !== undefined && match !== etagOf(there)) return refuse(412, 'PreconditionFailed');
    objects.set(key, body);
    end(200, '', { etag: etagOf(body)! });
  }
  return made;
}

const etagOf = (body: Buffer | undefined) => body && `"${createHash('md5').update(body).digest('hex')}"`;

function listed(objects: Map<string, Buffer>, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? '';
  const after = query.get('continuation-token') ?? '';
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted();
  const page = keys.slice(0, PAGE);
  const more = keys.length > PAGE ? `<NextContinuationToken>${page.at(-1)!}</NextContinuationToken>` : '';
  const contents = page.map((key) => `<Contents><Key>${encodeURIComponent(key)}</Key></Contents>`).join('');
  return `<?xml version="1.0"?><ListBucketResult>${contents}${more}</ListBucketResult>`;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html */
function isSigned({ method, headers }: IncomingMessage, url: URL, body: Buffer): boolean {
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  if (!found) return false;
  const [, who, day, region, names, signature] = found as unknown as string[];
  const hash = createHash('sha256').update(body).digest('hex');
  if (who !== ACCESS_KEY || headers['x-amz-content-sha256'] !== hash) return false;
  const query = [...url.searchParams]
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .toSorted()
    .join('&');
  const lines = names!.split(';').map((name) => `${name}:${String(headers[name]).trim()}`);
  const canonical = [method, url.pathname, query, ...lines, '', names, hash].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${String(headers['x-amz-date'])}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
  let key: string | Buffer = `AWS4${SECRET}`;
  for (const part of [day!, region!, 's3', 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  return createHmac('sha256', key).update(text).digest('hex') === signature;
}
