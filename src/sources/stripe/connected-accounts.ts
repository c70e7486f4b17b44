/** The accounts that are connected to a platform. */
import { LIMITS } from '../../base/bounds.js';
import { ConfigError } from '../../base/errors.js';
import type { ApiClient } from '../../http/client.js';
import { asList, lastId } from './lists.js';
import { NEWEST_VERSION } from './versions.js';

/** Accounts that are read, and those that were asked for by name and are not connected. */
export interface Connected {
  ids: string[];
  absent: string[];
}

/**
 * Those that are connected now, in the order of their ids: all, or of a list those that are. Throws ConfigError where
 * there is none, or where there are more than one connection reads.
 */
export async function connectedAccounts(client: ApiClient, wanted: 'all' | readonly string[]): Promise<Connected> {
  const found: string[] = [];
  const open = new Set(wanted === 'all' ? [] : wanted);
  const candidates: string[] = [];
  for await (const ids of accountPages(client)) {
    if (candidates.length < MOST_CANDIDATES) candidates.push(...ids);
    found.push(...(wanted === 'all' ? ids : ids.filter((id) => open.delete(id))));
    if (found.length > LIMITS.connectedAccounts) throw tooMany();
    if (wanted !== 'all' && open.size === 0) break;
  }
  if (found.length === 0)
    throw new ConfigError('no connected account can be read', {
      code: 'no_accounts',
      place: 'source.accounts',
      expected:
        wanted === 'all' ? 'at least one account that is connected to the platform' : 'accounts that are connected',
      found: wanted === 'all' ? 'none' : wanted.slice(0, 5).join(', '),
      candidates,
      next: 'check that the key is the platform’s, or leave accounts out to read its own account',
    });
  return { ids: found.toSorted(), absent: [...open].toSorted() };
}

/** Ids to guess from what was meant by another. */
const MOST_CANDIDATES = 1000;

async function* accountPages(client: ApiClient): AsyncGenerator<string[]> {
  const signal = new AbortController().signal;
  for (let cursor: string | null = null, more = true; more;) {
    const query = new URLSearchParams({ limit: '100', ...(cursor === null ? {} : { starting_after: cursor }) });
    const { body } = await client.request({
      path: `/v1/accounts?${query}`,
      endpoint: 'accounts',
      headers: { 'stripe-version': NEWEST_VERSION },
      interactive: true,
      signal,
    });
    const list = asList(body, 'v1/accounts');
    yield list.data.map(({ id }) => String(id));
    cursor = lastId(list);
    more = list.has_more && cursor !== null;
  }
}

/** What is beyond the bound would be taken for disconnected. */
function tooMany(): ConfigError {
  return new ConfigError('more accounts are connected than one connection reads', {
    code: 'too_many_accounts',
    place: 'source.accounts',
    expected: `at most ${LIMITS.connectedAccounts}`,
    found: 'more',
    next: 'name them in lists, under accounts of several connections',
  });
}
