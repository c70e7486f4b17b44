/**
 * Configurations of connections in the coordination database: those made through the API whole, those of a file as they
 * may be shown.
 */
import { systemClock } from '../base/clock.js';
import { ConfigError } from '../base/errors.js';
import type { Pool } from '../postgres/pool.js';
import { timeText } from '../runs/run-store.js';
import { findConnectionView, type ConnectionDetail } from './overview.js';
import { CONNECTORS } from '../sources/registry.js';
import { joinSecrets, SECRET_MASK, splitSecrets, type IsSecret, type SecretBox, type Settings } from './secrets.js';
import { WebhookSignings } from './webhook-signings.js';
import { webhookSigning, type WebhookSigning } from './webhooks.js';

export interface StoredConnection {
  id: string;
  managedBy: 'file' | 'api';
  /** Without secrets. */
  config: Settings;
  version: number;
}

/** When it runs by itself; `first`: where a cron expression begins. */
export interface ScheduleRow {
  everySeconds?: number | undefined;
  cron?: string | undefined;
  timeZone?: string | undefined;
  priority: number;
  first?: Date | undefined;
}

/** Ready to be stored: no secret can be read from it. */
export interface SealedSettings {
  shown: Settings;
  sealed: Buffer | null;
}

export class ConnectionStore {
  /** Of those made through the API; undefined where one takes no webhooks. */
  readonly signings = new WebhookSignings((id) => this.askSigning(id), systemClock);

  constructor(
    private readonly pool: Pool,
    private readonly box: SecretBox | undefined,
  ) {}

  async find(id: string): Promise<StoredConnection | undefined> {
    const [row] = await this.pool.query<StoredConnection & Record<string, unknown>>(
      'select id, managed_by as "managedBy", config, version from _headrace.connection_config where id = $1',
      [id],
    );
    return row;
  }

  /** Those made through the API that have alerts of their own. */
  async withAlerts(): Promise<string[]> {
    const rows = await this.pool.query<{ id: string }>(
      `select id from _headrace.connection_config where managed_by = 'api' and config ? 'alerts' order by id
        limit 1000`,
    );
    return rows.map(({ id }) => id);
  }

  /** With its secrets; undefined where none was made through the API under that name. */
  async open(id: string): Promise<Settings | undefined> {
    const [row] = await this.pool.query<{ config: Settings; secrets: Buffer | null }>(
      `select config, secrets from _headrace.connection_config where id = $1 and managed_by = 'api'`,
      [id],
    );
    return row && joinSecrets(row.config, row.secrets === null ? {} : this.sealed(id).open(row.secrets, id));
  }

  private async askSigning(id: string): Promise<WebhookSigning | undefined> {
    const settings = await this.open(id);
    const { connector } = (settings?.['source'] ?? {}) as { connector?: unknown };
    return webhookSigning(CONNECTORS.find(String(connector)), settings?.['webhook_secret']);
  }

  /**
   * What `settings` are once masks are replaced by the stored secrets: what will be written. `expect` is the version
   * that the writer has seen, 0 for none, undefined for any; throws what `write` would, before anything else is
   * changed. Also the connection as it is shown now.
   */
  async complete(
    id: string,
    settings: Settings,
    expect: number | undefined,
  ): Promise<{ settings: Settings; before: ConnectionDetail | undefined }> {
    const found = await findConnectionView(this.pool, id);
    const { secrets, ...before } = found ?? { secrets: null };
    const there = found && (before as ConnectionDetail);
    if (!there && expect !== 0)
      throw new ConfigError(`there is no connection ${id}`, {
        code: 'unknown_connection',
        place: 'connection',
        found: id,
        next: 'list them: GET /api/v1/connections',
      });
    if (there?.managedBy === 'file' || (expect !== undefined && (there?.version ?? 0) !== expect))
      throw this.conflict(id, there, expect);
    const isMasked = JSON.stringify(settings).includes(SECRET_MASK);
    return {
      settings: isMasked
        ? joinSecrets(settings, secrets ? this.sealed(id).open(secrets, id) : {}, there?.settings)
        : settings,
      before: there,
    };
  }

  /** The same for who only tests: masks stand for what is stored under this name, if anything is. */
  async reveal(id: string, settings: Settings): Promise<Settings> {
    const there = await this.find(id);
    return (await this.complete(id, settings, there?.managedBy === 'api' ? there.version : 0)).settings;
  }

  /** What will be stored. Throws ConfigError where there are secrets and no key to seal them with. */
  seal(id: string, settings: Settings, isSecret: IsSecret): SealedSettings {
    const { shown, secrets } = splitSecrets(settings, isSecret);
    return { shown, sealed: Object.keys(secrets).length === 0 ? null : this.sealed(id).seal(secrets, id) };
  }

  /**
   * Writes what the API was given, and its schedule; the scheduler knows the connection already. `expect` is the
   * version that the writer has seen, 0 for none. Throws ConfigError `version_conflict` or `connection_exists`.
   */
  async write(
    id: string,
    { shown, sealed }: SealedSettings,
    schedule: ScheduleRow | undefined,
    expect: number | undefined,
  ): Promise<{ version: number; nextAt: string | null }> {
    const { everySeconds = null, cron = null, timeZone = 'UTC', priority = 0, first } = schedule ?? {};
    const [row] = await this.pool.query<{ version: number; nextAt: string | null }>(
      `select version, ${timeText('next_at')} as "nextAt"
        from _headrace.write_connection($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [id, JSON.stringify(shown), sealed, expect ?? null, everySeconds, cron, timeZone, priority, first ?? null],
    );
    this.signings.forget(id);
    if (row) return row;
    throw this.conflict(id, await this.find(id), expect);
  }

  private conflict(
    id: string,
    there: Pick<StoredConnection, 'managedBy' | 'version'> | undefined,
    expect: number | undefined,
  ): ConfigError {
    if (expect === 0)
      return new ConfigError(`there is a connection ${id} already`, {
        code: 'connection_exists',
        place: 'id',
        expected: 'a name that is free',
        found: id,
        next: 'choose another name, or edit that one',
      });
    if (there?.managedBy === 'file') return managedByFile(id);
    return new ConfigError(`connection ${id} was edited meanwhile`, {
      code: 'version_conflict',
      place: 'version',
      expected: String(there?.version ?? 0),
      found: String(expect),
      next: 'read it again, and repeat your edit',
    });
  }

  /** A source renewed its own configuration: a refresh token that is good for one use. */
  async renew(id: string, sourceConfig: Settings, isSecret: IsSecret): Promise<void> {
    const settings = await this.open(id);
    if (!settings) return;
    const { shown, sealed } = this.seal(
      id,
      { ...settings, source: { ...(settings['source'] as Settings), config: sourceConfig } },
      isSecret,
    );
    await this.pool.query(
      `update _headrace.connection_config set config = $2, secrets = $3, version = version + 1, updated_at = now()
        where id = $1 and managed_by = 'api'`,
      [id, JSON.stringify(shown), sealed],
    );
  }

  /**
   * The connections of a file, shown but not stored; those of the same file that left it are forgotten. Throws where a
   * name is taken.
   */
  async publish(origin: string, connections: { id: string; settings: Settings; isSecret: IsSecret }[]): Promise<void> {
    const rows = connections.map(({ id, settings, isSecret }) => ({
      id,
      config: splitSecrets(settings, isSecret).shown,
    }));
    const taken = await this.pool.query<{ id: string }>(
      `select id from _headrace.connection_config where managed_by = 'api' and id = any($1)`,
      [rows.map(({ id }) => id)],
    );
    if (taken.length > 0) {
      throw new ConfigError(`connection ${taken[0]!.id} was made through the API`, {
        code: 'connection_exists',
        expected: 'a name that only one of both uses',
        found: taken[0]!.id,
        next: 'rename it in the file, or delete the other one',
      });
    }
    await this.pool.transaction(async (client) => {
      await client.query(
        `delete from _headrace.connection_config where managed_by = 'file' and origin = $1 and not (id = any($2))`,
        [origin, rows.map(({ id }) => id)],
      );
      await client.query(
        `insert into _headrace.connection_config as c (id, managed_by, origin, config) select e->>'id', 'file', $1,
          e->'config' from jsonb_array_elements($2::jsonb) e
         on conflict (id) do update set origin = excluded.origin, config = excluded.config,
           version = c.version + (c.config <> excluded.config)::int, updated_at = now() where c.managed_by = 'file'`,
        [origin, JSON.stringify(rows)],
      );
    });
  }

  /** Which key the secrets of each connection are sealed with; those without secrets are left out. */
  async sealedSecrets(): Promise<{ id: string; key: 'newest' | 'older' | 'unknown' }[]> {
    return (await this.allSealed()).map(({ id, secrets }) => ({ id, key: this.sealed(id).sealedBy(secrets) }));
  }

  /**
   * Seals with the newest key what an older one sealed; each by itself, so that one that does not open stops no other.
   * What was written meanwhile is sealed with the newest already.
   */
  async reseal(): Promise<{ resealed: string[]; failed: { id: string; error: unknown }[] }> {
    const resealed: string[] = [];
    const failed: { id: string; error: unknown }[] = [];
    for (const { id, secrets } of await this.allSealed()) {
      const box = this.sealed(id);
      if (box.sealedBy(secrets) === 'newest') continue;
      try {
        const renewed = box.seal(box.open(secrets, id), id);
        const changed = await this.pool.query(
          'update _headrace.connection_config set secrets = $3 where id = $1 and secrets = $2 returning id',
          [id, secrets, renewed],
        );
        if (changed.length > 0) resealed.push(id);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        failed.push({ id, error });
      }
    }
    return { resealed, failed };
  }

  private allSealed(): Promise<{ id: string; secrets: Buffer }[]> {
    return this.pool.query<{ id: string; secrets: Buffer }>(
      `select id, secrets from _headrace.connection_config where managed_by = 'api' and secrets is not null
        order by id`,
    );
  }

  private sealed(id: string): SecretBox {
    if (this.box) return this.box;
    throw new ConfigError('secrets cannot be stored without a key', {
      code: 'secret_key_missing',
      place: id,
      expected: 'HEADRACE_SECRET_KEY: 32 bytes as hex or base64, the same for all servers and workers',
      found: 'none',
      next: 'export HEADRACE_SECRET_KEY=$(openssl rand -hex 32) and start again; keep it',
    });
  }
}

export function managedByFile(id: string): ConfigError {
  return new ConfigError(`connection ${id} is kept in a file`, {
    code: 'managed_by_file',
    place: id,
    expected: 'a connection made through the API',
    found: 'one of headrace.yaml',
    next: 'edit that file, and start headrace serve again',
  });
}
