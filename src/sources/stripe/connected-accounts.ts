/** The accounts that are connected to a platform. */
import { LIMITS } from '../../base/bounds.js';
import { ConfigError } from '../../base/errors.js';
import type { ApiClient } from '../../http/client.js';
import { asList, lastId } from './lists.js';
import { NEWEST_VERSION } from './versions.js';

/**
 * Those that are connected now, in the order of their ids: all, or of a list those that still are. Throws ConfigError
 * where there is none.
 */
export async function connectedAccounts(client: ApiClient, wanted: 'all' | readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const signal = new AbortController().signal;
  for (let cursor: string | null = null, more = true; more && found.length < LIMITS.connectedAccounts;) {
    const query = new URLSearchParams({ limit: '100', ...(cursor === null ? {} : { starting_after: cursor }) });
    const { body } = await client.request({
      path: `/v1/accounts?${query}`,
      endpoint: 'accounts',
      headers: { 'stripe-version': NEWEST_VERSION },
      interactive: true,
      signal,
    });
    const list = asList(body, 'v1/accounts');
    found.push(...list.data.map(({ id }) => String(id)));
    cursor = lastId(list);
    more = list.has_more && cursor !== null;
  }
  const chosen = wanted === 'all' ? found : found.filter((id) => wanted.includes(id));
  if (chosen.length === 0)
    throw new ConfigError('no connected account can be read', {
      code: 'no_accounts',
      place: 'source.accounts',
      expected:
        wanted === 'all' ? 'at least one account that is connected to the platform' : 'accounts that are connected',
      found: wanted === 'all' ? 'none' : wanted.slice(0, 5).join(', '),
      candidates: found,
      next: 'check that the key is the platform’s, or leave accounts out to read its own account',
    });
  return chosen.toSorted();
}
