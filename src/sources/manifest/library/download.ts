/**
 * Files of an address: a web server that lists its folders, as HTML or JSON, or a folder of a repository on GitHub.
 * Where a manifest comes from decides where credentials are sent, so it comes over HTTPS, but for private networks.
 */
import { request, type Dispatcher } from 'undici';
import { LIMITS } from '../../../base/bounds.js';
import { Egress, zoneOf } from '../../../base/egress.js';
import { ConfigError, messageOf } from '../../../base/errors.js';
import { unpacked } from '../../../http/bodies.js';
import { assertTarget, newDispatcher } from '../../../http/dispatcher.js';
import dns from 'node:dns/promises';

export class Downloads {
  private bytes = 0;

  private constructor(
    private readonly egress: Egress,
    private readonly dispatcher: Dispatcher,
    private readonly signal: AbortSignal,
    private readonly isPrivate: boolean,
  ) {}

  /**
   * A private address may be named by the user, and then redirects may lead there; a public one leads to no private.
   */
  static async of(address: string, signal: AbortSignal): Promise<Downloads> {
    const host = new URL(address).hostname.replace(/^\[(.*)\]$/, '$1');
    const found = await dns.lookup(host, { all: true }).catch(() => []);
    const isPrivate = found.length > 0 && found.every((each) => zoneOf(each.address) === 'private');
    const egress = new Egress({ privateTargets: isPrivate, localFiles: false });
    return new Downloads(egress, newDispatcher(egress), signal, isPrivate);
  }

  close(): Promise<void> {
    return this.dispatcher.close();
  }

  /** Undefined: there is no such file. Throws ConfigError where it cannot be had, or is larger than `mostBytes`. */
  async get(address: string, mostBytes: number): Promise<{ body: Buffer; type: string; url: string } | undefined> {
    let url = address;
    for (let hop = 0; hop <= LIMITS.redirects; hop++) {
      this.assertScheme(url);
      await assertTarget(this.egress, url);
      const answer = await request(url, {
        dispatcher: this.dispatcher,
        signal: this.signal,
        headers: { 'user-agent': 'headrace', accept: '*/*' },
      }).catch((error: unknown) => {
        throw refusal(url, error instanceof ConfigError ? (error.found ?? error.message) : reasonOf(error), error);
      });
      const { location } = answer.headers;
      if (answer.statusCode >= 300 && answer.statusCode < 400 && typeof location === 'string') {
        await answer.body.dump();
        url = new URL(location, url).href;
        continue;
      }
      if (answer.statusCode === 404) {
        await answer.body.dump();
        return undefined;
      }
      const body = unpacked(await this.read(answer.body, url, mostBytes), answer.headers);
      if (answer.statusCode >= 400)
        throw refusal(url, `status ${answer.statusCode}: ${body.toString('utf8', 0, 120).trim()}`);
      return { body, type: String(answer.headers['content-type'] ?? ''), url };
    }
    throw refusal(address, `more than ${LIMITS.redirects} redirects`);
  }

  private async read(stream: AsyncIterable<Buffer>, url: string, mostBytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of stream) {
      size += part.length;
      this.bytes += part.length;
      if (size > mostBytes) throw refusal(url, `more than ${mostBytes} bytes`);
      if (this.bytes > LIMITS.fetchedBytes) throw refusal(url, `more than ${LIMITS.fetchedBytes} bytes in all`);
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  private assertScheme(url: string): void {
    const { protocol } = new URL(url);
    if (protocol === 'https:' || (protocol === 'http:' && this.isPrivate)) return;
    throw new ConfigError('manifests are not fetched this way', {
      code: 'fetch_refused',
      place: url.slice(0, 200),
      expected: 'https, since a manifest decides where a credential is sent',
      found: protocol,
      next: 'name an address that begins with https://',
    });
  }
}

export function refusal(url: string, found: string, cause?: unknown): ConfigError {
  return new ConfigError('this cannot be fetched', {
    code: 'fetch_failed',
    place: url.slice(0, 200),
    expected: 'a folder of manifests',
    found: found.slice(0, 200),
    next: 'check the address and the network, then run the command again: what is there already stays',
    cause,
  });
}

const reasonOf = (error: unknown): string => {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? messageOf(error) : `${code}: ${messageOf(error)}`;
};

/** Where a folder's list is, and where its files are. */
export interface WebFolder {
  list: string;
  files: string;
}

const GITHUB = /^https:\/\/github\.com\/([\w.-]+)\/([\w.-]+)(?:\/tree\/([^/]+)(?:\/(.+?))?)?\/?$/;

export function webFolder(address: string): WebFolder {
  const [, owner, repository, branch = 'HEAD', folder] = GITHUB.exec(address) ?? [];
  if (owner === undefined || repository === undefined) {
    const files = address.endsWith('/') ? address : `${address}/`;
    return { list: files, files };
  }
  const below = folder ?? 'airbyte-integrations/connectors';
  return {
    list: `https://api.github.com/repos/${owner}/${repository}/contents/${below}?ref=${branch}`,
    files: `https://raw.githubusercontent.com/${owner}/${repository}/${branch}/${below}/`,
  };
}

/** Names of what a folder's list holds: links of HTML, or a JSON list of texts or of `{name}`. */
export function namesIn(body: Buffer, type: string): string[] {
  const text = body.toString('utf8');
  if (/json/.test(type) || /^\s*\[/.test(text)) {
    try {
      const found: unknown = JSON.parse(text);
      return (Array.isArray(found) ? found : [])
        .map((each: unknown) =>
          typeof each === 'string' ? each : String((each as { name?: unknown } | null)?.name ?? ''),
        )
        .map((name) => name.replace(/\/$/, ''));
    } catch {
      return [];
    }
  }
  return [...text.matchAll(/href\s*=\s*["']?(?:\.\/)?([^"'?#>\s]+)/gi)].map(([, href]) => {
    const plain = href!.replace(/\/$/, '');
    try {
      return decodeURIComponent(plain.slice(plain.lastIndexOf('/') + 1));
    } catch {
      return '';
    }
  });
}
