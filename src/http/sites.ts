/** Whose server an address is: two hosts are one site where one owner registered both. */
import { createRequire } from 'node:module';

/** The public suffix list takes longer to load than all other parts of the client; most runs meet one host alone. */
let list: typeof import('tldts') | undefined;
const load = () => (list ??= createRequire(import.meta.url)('tldts') as typeof import('tldts'));

/**
 * Whether two hosts belong to one owner, by the public suffix list with the suffixes that hosting companies lend to
 * their customers: `shop.co.uk` and `other.co.uk` are strangers, so are two tenants of `github.io`. Addresses of IP and
 * names without a registrable domain are only the same as themselves.
 */
export function isSameSite(a: URL, b: URL): boolean {
  if (a.host === b.host) return true;
  const { getDomain } = load();
  const own = getDomain(a.hostname, { allowPrivateDomains: true });
  return own !== null && own === getDomain(b.hostname, { allowPrivateDomains: true });
}
