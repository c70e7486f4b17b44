/** A bucket of S3, or of a server that speaks as it does. Requests are signed by AWS's Signature Version 4. */
import { createHash, createHmac } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { request, type Dispatcher } from 'undici';
import { LIMITS } from '../../base/bounds.js';
import type { Clock } from '../../base/clock.js';
import type { Egress } from '../../base/egress.js';
import { codeOf, ConfigError, HeadraceError, messageOf, RetriableError } from '../../base/errors.js';
import { newDispatcher } from '../../http/dispatcher.js';
import { lost, noCompareAndSet, type Store } from './store.js';

export interface S3Settings {
  /** s3://bucket/prefix */
  url: string;
  /** Of a server that is not Amazon's: `https://minio.example.com`. */
  endpoint?: string | undefined;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

const ATTEMPTS = 6;
const FIRST_GAP_MS = 200;
const EMPTY = createHash('sha256').digest('hex');
/** What a server says of an object, or of what is wrong. */
const MOST_TEXT = 16 * 1024 * 1024;

interface Asked {
  method: 'GET' | 'PUT' | 'HEAD' | 'DELETE';
  key: string;
  query?: Record<string, string>;
  body?: Buffer | { file: string; bytes: number; sha256: string };
  headers?: Record<string, string>;
}

interface Answer {
  status: number;
  body: Dispatcher.ResponseData['body'];
}

export class S3Store implements Store {
  private readonly base: URL;
  private readonly prefix: string;
  private readonly dispatcher: Dispatcher;

  constructor(
    private readonly settings: S3Settings,
    private readonly clock: Clock,
    egress?: Egress,
  ) {
    const { bucket, prefix } = parseUrl(settings.url);
    this.prefix = prefix === '' ? '' : `${prefix}/`;
    // Amazon wants the bucket in the host's name; other servers are sure to know it in the path.
    this.base =
      settings.endpoint === undefined
        ? new URL(`https://${bucket}.s3.${settings.region}.amazonaws.com/`)
        : new URL(`${settings.endpoint.replace(/\/$/, '')}/${bucket}/`);
    this.dispatcher = newDispatcher(egress);
  }

  get description(): string {
    return this.settings.url.replace(/\/$/, '');
  }

  async list(below: string): Promise<string[]> {
    const names: string[] = [];
    for (let token: string | undefined; ;) {
      const query = {
        'list-type': '2',
        prefix: `${this.prefix}${below}`,
        'encoding-type': 'url',
        ...(token === undefined ? {} : { 'continuation-token': token }),
      };
      const text = await this.text(await this.ask({ method: 'GET', key: '', query }));
      for (const [, key] of text.matchAll(/<Key>([^<]*)<\/Key>/g))
        names.push(decodeURIComponent(unescaped(key!).replaceAll('+', ' ')).slice(this.prefix.length));
      token = /<NextContinuationToken>([^<]*)</.exec(text)?.[1];
      if (token === undefined) return names;
      token = unescaped(token);
    }
  }

  async read(name: string): Promise<Buffer | undefined> {
    const answer = await this.ask({ method: 'GET', key: name }, [404]);
    if (answer.status === 404) return void (await answer.body.dump());
    return this.bytes(answer, LIMITS.stateFileBytes);
  }

  async create(name: string, body: Buffer): Promise<boolean> {
    const answer = await this.ask({ method: 'PUT', key: name, body, headers: { 'if-none-match': '*' } }, [412]);
    await answer.body.dump();
    if (answer.status !== 412) return true;
    // An answer may have been lost, and the request been sent again: then what is there is ours.
    return (await this.read(name))?.equals(body) === true;
  }

  async exists(name: string): Promise<boolean> {
    const answer = await this.ask({ method: 'HEAD', key: name }, [404]);
    await answer.body.dump();
    return answer.status !== 404;
  }

  async put(name: string, file: string): Promise<void> {
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    const body = { file, bytes: statSync(file).size, sha256: hash.digest('hex') };
    await (await this.ask({ method: 'PUT', key: name, body })).body.dump();
  }

  async fetch(name: string, folder: string): Promise<string> {
    const file = path.join(folder, createHash('sha256').update(name).digest('hex').slice(0, 24) + '.parquet');
    if (existsSync(file)) return file;
    const answer = await this.ask({ method: 'GET', key: name }, [404]);
    if (answer.status === 404) {
      await answer.body.dump();
      throw lost(`${this.description}/${name}`);
    }
    await pipeline(answer.body, createWriteStream(file));
    return file;
  }

  async remove(name: string): Promise<void> {
    await (await this.ask({ method: 'DELETE', key: name }, [404])).body.dump();
  }

  async check(): Promise<void> {
    const probe = `_headrace-check-${process.pid}-${this.clock.now()}`;
    const won = await this.create(probe, Buffer.from('1'));
    const wonAgain = await this.create(probe, Buffer.from('2'));
    await this.remove(probe);
    if (!won || wonAgain) throw noCompareAndSet(this.description);
  }

  /** Asks until there is an answer that counts: success, or one of `also`. */
  private async ask(asked: Asked, also: number[] = []): Promise<Answer> {
    let gapMs = FIRST_GAP_MS;
    for (let attempt = 1; ; attempt++, gapMs *= 2) {
      try {
        const answer = await this.send(asked);
        if (answer.status < 300 || also.includes(answer.status)) return answer;
        throw await this.refusal(answer, asked);
      } catch (error) {
        const isLasting = error instanceof HeadraceError && !(error instanceof RetriableError);
        if (isLasting) throw error;
        if (attempt === ATTEMPTS) throw error instanceof HeadraceError ? error : this.unreachable(error);
        await this.clock.sleep(gapMs);
      }
    }
  }

  private send({ method, key, query = {}, body, headers = {} }: Asked): Promise<Answer> {
    const url = new URL(this.base);
    // A list is asked of the bucket itself.
    url.pathname += key === '' ? '' : encoded(`${this.prefix}${key}`);
    const search = Object.entries(query)
      .map(([name, value]) => `${escape4(name)}=${escape4(value)}`)
      .toSorted()
      .join('&');
    url.search = search;
    const isFile = body !== undefined && !Buffer.isBuffer(body);
    const sha256 = isFile ? body.sha256 : body === undefined ? EMPTY : createHash('sha256').update(body).digest('hex');
    const length = isFile ? body.bytes : body?.length;
    const signed = this.sign(method, url, sha256, headers);
    return request(url, {
      method,
      headers: { ...signed, ...(length === undefined ? {} : { 'content-length': String(length) }) },
      body: isFile ? createReadStream(body.file) : (body ?? null),
      dispatcher: this.dispatcher,
    }).then(({ statusCode, body: answer }) => ({ status: statusCode, body: answer }));
  }

  private sign(method: string, url: URL, sha256: string, more: Record<string, string>): Record<string, string> {
    const { accessKeyId, secretAccessKey, sessionToken, region } = this.settings;
    const time = new Date(this.clock.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const day = time.slice(0, 8);
    const headers: Record<string, string> = {
      ...more,
      host: url.host,
      'x-amz-content-sha256': sha256,
      'x-amz-date': time,
      ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
    };
    const names = Object.keys(headers).toSorted();
    const canonical = [
      method,
      url.pathname,
      url.search.slice(1),
      ...names.map((name) => `${name}:${headers[name]!.trim()}`),
      '',
      names.join(';'),
      sha256,
    ].join('\n');
    const scope = `${day}/${region}/s3/aws4_request`;
    const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
    const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
    const key = hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), 's3'), 'aws4_request');
    const signature = createHmac('sha256', key).update(toSign).digest('hex');
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    return headers;
  }

  private async refusal(answer: Answer, { method, headers }: Asked): Promise<HeadraceError> {
    const text = await this.text(answer).catch(() => '');
    const code = /<Code>([^<]*)</.exec(text)?.[1] ?? '';
    const found = `${answer.status} ${code} ${/<Message>([^<]*)</.exec(text)?.[1] ?? ''}`.trim();
    const detail = { place: this.description, found };
    const { status } = answer;
    if (status === 501 && headers?.['if-none-match']) return noCompareAndSet(this.description);
    if (status === 403 || status === 401)
      return new ConfigError('the bucket refuses the credentials', {
        ...detail,
        code: 's3_refused',
        expected: 'credentials that may list, read, write and delete below the prefix',
        next: 'check access_key_id, secret_access_key and the policy of the bucket',
      });
    if (code === 'NoSuchBucket' || (status === 404 && method === 'PUT'))
      return new ConfigError('there is no such bucket', {
        ...detail,
        code: 's3_no_bucket',
        next: 'make the bucket, or name another one; check the endpoint and the region',
      });
    if (status >= 500 || status === 429 || status === 408 || status === 409)
      return new RetriableError('the bucket does not answer well', {
        ...detail,
        code: 's3_failed',
        next: 'run the same command later; it continues where it stopped',
      });
    return new ConfigError('the bucket refuses a request', {
      ...detail,
      code: 's3_refused',
      next: 'check the endpoint, the region and the name of the bucket',
    });
  }

  private unreachable(error: unknown): RetriableError {
    return new RetriableError('the bucket cannot be reached', {
      code: 's3_unreachable',
      place: this.base.host,
      found: codeOf(error) ?? messageOf(error),
      next: 'check the endpoint and the network, then run the same command; it continues where it stopped',
      cause: error,
    });
  }

  private async text(answer: Answer): Promise<string> {
    return (await this.bytes(answer, MOST_TEXT)).toString('utf8');
  }

  private async bytes({ body }: Answer, most: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size > most)
        throw new ConfigError('an object is too large', {
          code: 'state_too_large',
          place: this.description,
          expected: `at most ${most} bytes`,
        });
    }
    return Buffer.concat(chunks);
  }
}

/** Bucket and prefix of `s3://bucket/prefix`. Throws ConfigError. */
export function parseUrl(url: string): { bucket: string; prefix: string } {
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? [];
  if (bucket === undefined)
    throw new ConfigError('the URL names no bucket', {
      code: 'bad_destination',
      place: 'destination.url',
      expected: 's3://bucket/prefix',
      found: url.slice(0, 100),
    });
  return { bucket, prefix: prefix.replace(/^\/+|\/+$/g, '') };
}

/** As Signature Version 4 wants it. */
const escape4 = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

const encoded = (key: string): string => key.split('/').map(escape4).join('/');

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const unescaped = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name]!);
