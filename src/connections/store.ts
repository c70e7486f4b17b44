/** Configurations of connections in the coordination database: those made through the API whole, those of a file as they may be shown. */
import { ConfigError } from '../errors.js';
import type { Pool } from '../postgres/pool.js';
import { joinSecrets, SECRET_MASK, splitSecrets, type IsSecret, type SecretBox, type Settings } from './secrets.js';

export interface StoredConnection {
  id: string;
  managedBy: 'file' | 'api';
  /** Without secrets. */
  config: Settings;
  version: number;
}

/** Ready to be stored: no secret can be read from it. */
export interface SealedSettings {
  shown: Settings;
  sealed: Buffer | null;
}

export class ConnectionStore {
  constructor(
    private readonly pool: Pool,
    private readonly box: SecretBox | undefined,
  ) {}

  async find(id: string): Promise<StoredConnection | undefined> {
    const [row] = await this.pool.query<StoredConnection & Record<string, unknown>>('select id, managed_by as "managedBy", config, version from _headrace.connection_config where id = $1', [id]);
    return row;
  }

  /** With its secrets; undefined where none was made through the API under that name. */
  async open(id: string): Promise<Settings | undefined> {
    const [row] = await this.pool.query<{ config: Settings; secrets: Buffer | null }>(`select config, secrets from _headrace.connection_config where id = $1 and managed_by = 'api'`, [id]);
    return row && joinSecrets(row.config, row.secrets === null ? {} : this.sealed(id).open(row.secrets, id));
  }

  /** What `settings` are once masks are replaced by the stored secrets: what will be written. */
  async complete(id: string, settings: Settings): Promise<Settings> {
    if (!JSON.stringify(settings).includes(SECRET_MASK)) return settings;
    const [row] = await this.pool.query<{ secrets: Buffer | null }>(`select secrets from _headrace.connection_config where id = $1 and managed_by = 'api'`, [id]);
    return joinSecrets(settings, row?.secrets ? this.sealed(id).open(row.secrets, id) : {});
  }

  /** What will be stored. Throws ConfigError where there are secrets and no key to seal them with. */
  seal(id: string, settings: Settings, isSecret: IsSecret): SealedSettings {
    const { shown, secrets } = splitSecrets(settings, isSecret);
    return { shown, sealed: Object.keys(secrets).length === 0 ? null : this.sealed(id).seal(secrets, id) };
  }

  /**
   * Writes what the API was given; the scheduler knows the connection already. `expect` is the version that the writer has seen, 0 for
   * none. Throws ConfigError `version_conflict` or `connection_exists`.
   */
  async write(id: string, { shown, sealed }: SealedSettings, expect: number | undefined): Promise<StoredConnection> {
    const [row] = await this.pool.query<StoredConnection & Record<string, unknown>>(
      `insert into _headrace.connection_config as c (id, managed_by, config, secrets) values ($1, 'api', $2, $3)
       on conflict (id) do update set config = excluded.config, secrets = excluded.secrets, version = c.version + 1, updated_at = now()
         where c.managed_by = 'api' and ($4::bigint is null or c.version = $4)
       returning id, managed_by as "managedBy", config, version`, [id, JSON.stringify(shown), sealed, expect ?? null]);
    if (row) return row;
    throw this.conflict(id, await this.find(id), expect);
  }

  /** Throws what `write` would, before anything else is changed. */
  async assertVersion(id: string, expect: number | undefined): Promise<void> {
    const there = await this.find(id);
    if (there?.managedBy === 'file' || (expect !== undefined && (there?.version ?? 0) !== expect)) throw this.conflict(id, there, expect);
    if (!there && expect === undefined) throw new ConfigError(`there is no connection ${id}`, { code: 'unknown_connection', found: id });
  }

  private conflict(id: string, there: StoredConnection | undefined, expect: number | undefined): ConfigError {
    if (expect === 0) return new ConfigError(`there is a connection ${id} already`, { code: 'connection_exists', place: 'id', expected: 'a name that is free', found: id, next: 'choose another name, or edit that one' });
    if (there?.managedBy === 'file') return managedByFile(id);
    return new ConfigError(`connection ${id} was edited meanwhile`, { code: 'version_conflict', place: 'version', expected: String(there?.version ?? 0), found: String(expect), next: 'read it again, and repeat your edit' });
  }

  /** A source renewed its own configuration: a refresh token that is good for one use. */
  async renew(id: string, sourceConfig: Settings, isSecret: IsSecret): Promise<void> {
    const settings = await this.open(id);
    if (!settings) return;
    await this.write(id, this.seal(id, { ...settings, source: { ...(settings['source'] as Settings), config: sourceConfig } }, isSecret), undefined);
  }

  /** The connections of a file, shown but not stored; those of the same file that left it are forgotten. Throws where a name is taken. */
  async publish(origin: string, connections: { id: string; settings: Settings; isSecret: IsSecret }[]): Promise<void> {
    const rows = connections.map(({ id, settings, isSecret }) => ({ id, config: splitSecrets(settings, isSecret).shown }));
    const taken = await this.pool.query<{ id: string }>(`select id from _headrace.connection_config where managed_by = 'api' and id = any($1)`, [rows.map(({ id }) => id)]);
    if (taken.length > 0) {
      throw new ConfigError(`connection ${taken[0]!.id} was made through the API`, { code: 'connection_exists', expected: 'a name that only one of both uses', found: taken[0]!.id, next: 'rename it in the file, or delete the other one' });
    }
    await this.pool.transaction(async (client) => {
      await client.query(`delete from _headrace.connection_config where managed_by = 'file' and origin = $1 and not (id = any($2))`, [origin, rows.map(({ id }) => id)]);
      await client.query(
        `insert into _headrace.connection_config as c (id, managed_by, origin, config) select e->>'id', 'file', $1, e->'config' from jsonb_array_elements($2::jsonb) e
         on conflict (id) do update set origin = excluded.origin, config = excluded.config, version = c.version + (c.config <> excluded.config)::int, updated_at = now() where c.managed_by = 'file'`, [origin, JSON.stringify(rows)]);
    });
  }

  private sealed(id: string): SecretBox {
    if (this.box) return this.box;
    throw new ConfigError('secrets cannot be stored without a key', { code: 'secret_key_missing', place: id, expected: 'HEADRACE_SECRET_KEY: 32 bytes as hex or base64, the same for all servers and workers', found: 'none', next: 'export HEADRACE_SECRET_KEY=$(openssl rand -hex 32) and start again; keep it' });
  }
}

export function managedByFile(id: string): ConfigError {
  return new ConfigError(`connection ${id} is kept in a file`, { code: 'managed_by_file', place: id, expected: 'a connection made through the API', found: 'one of headrace.yaml', next: 'edit that file, and start headrace serve again' });
}
