/** Headers of an answer as templates see them. */

/** Headers as a template sees them: names in any case, and `link` by relation (RFC 8288). */
export function headerDict(headers: Record<string, string | string[] | undefined>): Record<string, unknown> {
  const target: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) target[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  const plainLink = target['link'];
  return new Proxy(target, {
    get: (object, name) => (typeof name === 'string' ? found(object, name, plainLink) : undefined),
    has: (object, name) => typeof name === 'string' && found(object, name, plainLink) !== undefined,
    getOwnPropertyDescriptor: (object, name) => {
      const value = typeof name === 'string' ? found(object, name, plainLink) : undefined;
      return value === undefined ? undefined : { value, enumerable: true, configurable: true, writable: true };
    },
  });
}

/** `headers['link']` are the relations, `headers['Link']` is the text: manifests use both. */
function found(object: Record<string, unknown>, name: string, link: unknown): unknown {
  if (name === 'link') return relations(typeof link === 'string' ? link : '');
  return Object.hasOwn(object, name.toLowerCase()) ? object[name.toLowerCase()] : undefined;
}

/** Links by their relation (RFC 8288); an address without one goes by itself. */
export function relations(header: string): Record<string, Record<string, string>> {
  const out: Record<string, Record<string, string>> = {};
  const link = /\s*<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;,]*))?)*)\s*(?:,|$)/gy;
  for (const [, url = '', attributes = ''] of header.matchAll(link)) {
    const found: Record<string, string> = { url: url.trim() };
    for (const [, key, quoted, plain] of attributes.matchAll(
      /;\s*([^\s=;,]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,]*)))?/g,
    )) {
      const name = key!.toLowerCase();
      // Of a parameter that is there twice the first counts.
      if (name !== 'url') found[name] ??= (quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '').trim();
    }
    const { rel } = found;
    if (rel === undefined || rel === '') out[found['url']!] = found;
    else for (const each of new Set([rel, ...rel.split(/\s+/)])) out[each] = found;
  }
  return out;
}
