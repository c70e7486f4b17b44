/**
 * Sessions of browsers: what a token is exchanged for, so that no script and no storage of a browser holds the token.
 * Rows of the database, so that every server knows them; each ends with its token.
 */
import { randomBytes } from 'node:crypto';
import { LIMITS } from '../base/bounds.js';
import type { Pool } from '../postgres/pool.js';
import { digestOf } from './tokens.js';

export class SessionStore {
  constructor(private readonly pool: Pool) {}

  /** The session's id is known here and now, and kept as a digest. Those that ended are forgotten. */
  async open(token: string): Promise<string> {
    const id = randomBytes(32).toString('base64url');
    await this.pool.query('delete from _headrace.session where expires_at < now()');
    await this.pool.query(
      `insert into _headrace.session (digest, token_digest, expires_at) values ($1, $2, now() + $3 * interval '1 ms')`,
      [digestOf(id), digestOf(token), LIMITS.sessionMs],
    );
    return id;
  }

  /** Digest of the token that it was opened with; undefined: unknown or over. */
  async tokenOf(id: string): Promise<Buffer | undefined> {
    const [row] = await this.pool.query<{ digest: Buffer }>(
      'select token_digest as digest from _headrace.session where digest = $1 and expires_at > now()',
      [digestOf(id)],
    );
    return row?.digest;
  }

  async close(id: string): Promise<void> {
    await this.pool.query('delete from _headrace.session where digest = $1', [digestOf(id)]);
  }
}
