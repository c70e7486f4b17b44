/** Addresses of requests, joined as Python's `urljoin` joins them. */
import { ConfigError } from '../../../base/errors.js';
import { isSameSite } from '../../../http/sites.js';

/** Scheme, host, path, query and fragment of an address of the web; the first two are empty in a relative one. */
function partsOf(url: string): { scheme: string; host: string; path: string; query: string; fragment: string } {
  const [, scheme = '', host = '', path = '', query = '', fragment = ''] =
    /^(?:(https?):)?(\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?(#[^]*)?$/i.exec(url)!;
  return { scheme: scheme.toLowerCase(), host, path, query, fragment };
}

/**
 * A path that begins with `/` takes the place of the base's; another goes below it. Doubled slashes within a joined
 * path become one, `.` and `..` are resolved.
 */
export function urljoin(base: string, url: string): string {
  if (base === '') return url;
  if (url === '') return base;
  const own = partsOf(base);
  const other = partsOf(url);
  if (other.scheme !== '' && other.scheme !== own.scheme) return url;
  if (other.host !== '') return `${own.scheme}:${other.host}${other.path}${other.query}${other.fragment}`;
  const origin = `${own.scheme === '' ? '' : `${own.scheme}:`}${own.host}`;
  if (other.path === '') return `${origin}${own.path}${other.query || own.query}${other.fragment}`;
  return `${origin}${joinedPath(own.path, other.path)}${other.query}${other.fragment}`;
}

function joinedPath(base: string, path: string): string {
  let segments = path.split('/');
  if (!path.startsWith('/')) {
    const above = base.split('/');
    if (above.at(-1) !== '') above.pop();
    const all = [...above, ...segments];
    segments = all.filter((segment, at) => at === 0 || at === all.length - 1 || segment !== '');
  }
  const resolved: string[] = [];
  for (const segment of segments) {
    if (segment === '..') resolved.pop();
    else if (segment !== '.') resolved.push(segment);
  }
  if (['.', '..'].includes(segments.at(-1)!)) resolved.push('');
  return resolved.join('/') || '/';
}

/** An endpoint's address: its path below the base, as Airbyte's requesters join them. */
export function endpointUrl(base: string, path: string): string {
  if (path === '') return base;
  return base === '' ? path : urljoin(base.endsWith('/') ? base : `${base}/`, path);
}

/**
 * The address of a request, made sure to be one. Where an answer or a record brought it (`given`), it must not lead a
 * credential to a stranger's server, nor from https to plain http: that is asked over https.
 */
export function followable(address: string, base: string, given: boolean, place: string): string {
  let target: URL;
  try {
    target = new URL(address);
  } catch {
    throw new ConfigError('a request has no valid address', {
      code: 'bad_url',
      place,
      expected: 'an address with https:// and a host',
      found: address.slice(0, 120) || 'nothing',
      next: 'check what the configuration puts into url_base and path',
    });
  }
  if (target.protocol !== 'https:' && target.protocol !== 'http:')
    throw new ConfigError('a request has no address of the web', {
      code: 'bad_url',
      place,
      expected: 'http or https',
      found: target.protocol,
      next: 'check what the configuration puts into url_base and path',
    });
  const own = URL.canParse(base) ? new URL(base) : target;
  if (!given) return address;
  const isDowngrade = own.protocol === 'https:' && target.protocol === 'http:';
  if (!isSameSite(target, own) || (isDowngrade && target.port !== '')) {
    throw new ConfigError('the next page lies on another server', {
      code: 'foreign_page',
      place,
      expected: `a page on ${own.host}`,
      found: target.origin,
      next: 'check url_base; the credential is not sent to another domain',
    });
  }
  return isDowngrade ? address.replace(/^http:/i, 'https:') : address;
}
