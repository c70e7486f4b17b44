/** Who may do what through the API: tokens with a role, of which only a digest is kept. */
import { createHash, randomBytes } from 'node:crypto';
import type { Pool } from '../postgres/pool.js';
import { newToken } from './own-token.js';

/** Each may do what those before it may. */
export const ROLES = ['read', 'operate', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface TokenView {
  id: string;
  name: string;
  role: Role;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
}

export function allows(role: Role, wanted: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(wanted);
}

export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

const VIEW = `id, name, role, ${['created_at', 'expires_at', 'last_used_at'].map((column) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "${column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())}"`).join(', ')}`;
/** A token that is used all the time is written down this often. */
const USED_EVERY = '1 minute';

export class TokenStore {
  constructor(private readonly pool: Pool) {}

  /** The token itself is known here and now, and never again. */
  async create(name: string, role: Role, expiresAt: Date | undefined): Promise<TokenView & { token: string }> {
    const token = newToken();
    const [row] = await this.pool.query<TokenView & Record<string, unknown>>(
      `insert into _headrace.token (id, name, role, digest, expires_at) values ($1, $2, $3, $4, $5) returning ${VIEW}`,
      [randomBytes(6).toString('hex'), name, role, digestOf(token), expiresAt ?? null],
    );
    return { ...row!, token };
  }

  async list(): Promise<TokenView[]> {
    return this.pool.query<TokenView & Record<string, unknown>>(
      `select ${VIEW} from _headrace.token order by created_at, id`,
    );
  }

  /** False: there is none. */
  async revoke(id: string): Promise<boolean> {
    return (await this.pool.query('delete from _headrace.token where id = $1 returning id', [id])).length > 0;
  }

  /** Undefined: unknown or expired. */
  roleOf(token: string): Promise<Role | undefined> {
    return this.roleOfDigest(digestOf(token));
  }

  /** The same, of a session that was opened with the token. */
  async roleOfDigest(digest: Buffer): Promise<Role | undefined> {
    const [row] = await this.pool.query<{ id: string; role: Role; stale: boolean }>(
      `select id, role, last_used_at is null or last_used_at < now() - interval '${USED_EVERY}' as stale
        from _headrace.token where digest = $1 and (expires_at is null or expires_at > now())`,
      [digest],
    );
    if (row?.stale) await this.pool.query('update _headrace.token set last_used_at = now() where id = $1', [row.id]);
    return row?.role;
  }
}
