/** The wiring: the only file that knows every implementation. */
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import { loadConfig, validate, type LoadedConfig } from '../config/load.js';
import type { DestinationConfig } from '../config/schema.js';
import { stripeConfigSchema, type StripeConfig } from '../sources/stripe/config.js';
import { stripeSource } from '../sources/stripe/source.js';
import { STREAMS } from '../sources/stripe/streams.js';
import type { Destination } from '../destinations/contract.js';
import { ndjsonDestination } from '../destinations/ndjson/destination.js';
import {
  embeddedDestination,
  postgresDestination,
  type PostgresDestination,
} from '../destinations/postgres/destination.js';
import type { Egress } from '../base/egress.js';
import { ConfigError } from '../base/errors.js';
import { SharedGate } from '../gate/shared/shared-gate.js';
import { BudgetStore } from '../gate/shared/budget-store.js';
import type { CredentialGateOptions, GateMemory } from '../gate/credential-gate.js';
import type { GateStatus, QuotaSource } from '../gate/gate.js';
import { ceilingsOfOne, InterchangeableGate } from '../gate/interchangeable-gate.js';
import { QuotaGate } from '../gate/quota-gate.js';
import type { ApiClient, AttemptEvent } from '../http/client.js';
import type { Exchange } from '../sources/manifest/runtime/retriever.js';
import type { Permits } from '../engine/read/context.js';
import type { LimitKeeper } from '../engine/run/limit-memory.js';
import type { WriteMode } from '../base/catalog.js';
import { connect } from '../postgres/connect.js';
import { systemRandom } from '../base/random.js';
import { readConfigFile, writeConfigFile } from '../config/connector-file.js';
import type { ManifestParts } from '../sources/manifest/open.js';
import { manifestSourceSchema, type ManifestSourceConfig } from '../sources/manifest/settings.js';
import type { Source } from '../sources/contract.js';

export const CONNECTORS = ['stripe', 'manifest'] as const;

/** Connectors written in TypeScript. */
export const NATIVE = [{ name: 'stripe', streams: STREAMS.length }] as const;

/** What a command works on: one connection, resolved from flags, environment and file. */
export interface ConnectionConfig {
  name: string;
  source: StripeConfig | ManifestSourceConfig;
  /** Where a renewed configuration of a manifest's connector is written back to. */
  sourceConfigFile?: string | undefined;
  /** Streams whose files are wanted; all that have them where it is left out. */
  fileStreams?: string[] | undefined;
  /** Told of a renewed configuration as well. */
  onConfigChange?: ((config: Record<string, unknown>) => void) | undefined;
  /** Sees each request of a manifest and its answer, secrets and all. */
  onExchange?: ((exchange: Exchange) => void) | undefined;
  destination: DestinationConfig;
  /** Folder of the embedded database, absolute. */
  dataDir: string;
  /** Where it may lead, where somebody else wrote it; everywhere where it is left out. */
  egress?: Egress | undefined;
}

export interface OpenedSource {
  source: Source;
  /** What the user should know before it runs. */
  notes: string[];
  permits: Permits;
  gateStatus: () => GateStatus;
  limits: LimitKeeper;
  /**
   * Shares the limits with other processes that use the credential, through the destination where it is a PostgreSQL.
   */
  shareBudget: (destination: Destination, onError: (error: unknown) => void) => Promise<() => Promise<void>>;
}

export interface ConnectionFlags {
  config?: string | undefined;
  to?: string | undefined;
  schema?: string | undefined;
  mode?: WriteMode | undefined;
  streams?: string[] | undefined;
  exclude?: string[] | undefined;
  startDate?: string | undefined;
  baseUrl?: string | undefined;
  dataDir?: string | undefined;
  maxRate?: number | undefined;
  maxEndpointRate?: number | undefined;
  maxConcurrency?: number | undefined;
  share?: string | undefined;
  manifest?: string | undefined;
  sourceConfig?: string | undefined;
  components?: string | undefined;
  files?: string | undefined;
}

/**
 * Finds a connection: by its name in headrace.yaml, else a connector by name with the environment (`STRIPE_API_KEY`),
 * so that nothing needs a file. Without a name, the file's only connection. Precedence: flag, environment, file,
 * default.
 */
export function resolveConnection(
  name: string | undefined,
  flags: ConnectionFlags,
  env: NodeJS.ProcessEnv,
): ConnectionConfig {
  const file = flags.config ?? env['HEADRACE_CONFIG'];
  if (flags.manifest !== undefined) return fromManifest(name, flags.manifest, flags, env);
  const connector = name === 'stripe' ? name : undefined;
  let loaded: LoadedConfig | undefined;
  try {
    loaded = loadConfig(file ?? 'headrace.yaml', env);
  } catch (error) {
    if (
      file !== undefined ||
      !(error instanceof ConfigError) ||
      error.code !== 'config_missing' ||
      connector === undefined
    )
      throw error;
  }
  const dataDir = dataDirOf(flags, env, loaded);
  if (loaded) {
    const names = Object.keys(loaded.config.connections);
    const chosen = name ?? (names.length === 1 ? names[0] : undefined);
    if (chosen !== undefined && Object.hasOwn(loaded.config.connections, chosen)) {
      const { source, destination } = loaded.config.connections[chosen]!;
      // A manifest is named as seen from the file that names it.
      if (typeof source['manifest'] === 'string')
        source['manifest'] = path.resolve(path.dirname(loaded.file), source['manifest']);
      for (const field of ['components', 'files'])
        if (typeof source[field] === 'string') source[field] = path.resolve(path.dirname(loaded.file), source[field]);
      return finish(chosen, source, destination, dataDir, flags, ['connections', chosen, 'source'], loaded.placeOf);
    }
    if (connector === undefined) {
      throw new ConfigError(name === undefined ? 'which connection?' : `there is no connection ${name}`, {
        code: 'unknown_connection',
        place: loaded.file,
        expected: names.join(', ') || 'at least one connection',
        found: name ?? 'no name',
        next: 'name one of them',
      });
    }
  }
  const key = env['STRIPE_API_KEY'];
  if (!key)
    throw new ConfigError('environment variable STRIPE_API_KEY is not set', {
      code: 'env_missing',
      expected: 'a secret or restricted key',
      found: 'none',
      next: 'export STRIPE_API_KEY=sk_… and run again',
    });
  const source: Record<string, unknown> = { connector, api_key: key };
  if (env['STRIPE_BASE_URL']) source['base_url'] = env['STRIPE_BASE_URL'];
  return finish(
    connector!,
    source,
    { type: 'embedded', mode: 'upsert' },
    dataDir,
    flags,
    ['source'],
    (path) => `${path.join('.')} (from flags and environment)`,
  );
}

/** The connector's name, of `source-NAME.yaml` or `source-NAME/manifest.yaml`. */
export function connectorOf(manifest: string): string {
  const base = path.basename(manifest).replace(/\.ya?ml$/i, '');
  return (base === 'manifest' ? path.basename(path.dirname(path.resolve(manifest))) : base)
    .replace(/^source-/, '')
    .toLowerCase();
}

/** Folder of the embedded database, absolute. */
export function dataDirOf(flags: ConnectionFlags, env: NodeJS.ProcessEnv, loaded: LoadedConfig | undefined): string {
  return path.resolve(
    flags.dataDir ??
      env['HEADRACE_DATA_DIR'] ??
      (loaded ? path.join(path.dirname(loaded.file), loaded.config.data_dir) : '.headrace'),
  );
}

/** `--manifest`: nothing but the manifest and its configuration is needed. */
function fromManifest(
  name: string | undefined,
  manifest: string,
  flags: ConnectionFlags,
  env: NodeJS.ProcessEnv,
): ConnectionConfig {
  const own = connectorOf(manifest).replaceAll(/[^a-z0-9_-]/g, '_');
  const config = flags.sourceConfig === undefined ? {} : readConfigFile(flags.sourceConfig);
  const source: Record<string, unknown> = { connector: 'manifest', manifest, config };
  if (flags.components !== undefined) source['components'] = flags.components;
  if (flags.files !== undefined) source['files'] = flags.files;
  const dataDir = dataDirOf(flags, env, undefined);
  return {
    ...finish(
      name ?? (own || 'source'),
      source,
      { type: 'embedded', mode: 'upsert' },
      dataDir,
      flags,
      ['source'],
      (at) => `${at.join('.')} (from flags)`,
    ),
    sourceConfigFile: flags.sourceConfig,
  };
}

/** A connection whose settings come from elsewhere than a file. */
export function connectionFrom(
  name: string,
  source: Record<string, unknown>,
  destination: DestinationConfig,
  dataDir: string,
): ConnectionConfig {
  return finish(name, source, destination, dataDir, {}, ['source'], (path) => path.join('.'));
}

function finish(
  name: string,
  source: Record<string, unknown>,
  destination: DestinationConfig,
  dataDir: string,
  flags: ConnectionFlags,
  base: string[],
  placeOf: (path: PropertyKey[]) => string,
): ConnectionConfig {
  const raw = { ...source };
  if (flags.baseUrl !== undefined) raw['base_url'] = flags.baseUrl;
  if (flags.streams !== undefined) raw['streams'] = flags.streams;
  if (flags.exclude !== undefined) raw['exclude'] = flags.exclude;
  if (flags.startDate !== undefined) raw['start_date'] = flags.startDate;
  if (flags.maxRate !== undefined) raw['max_rate'] = flags.maxRate;
  if (flags.maxEndpointRate !== undefined) raw['max_endpoint_rate'] = flags.maxEndpointRate;
  if (flags.maxConcurrency !== undefined) raw['max_concurrency'] = flags.maxConcurrency;
  if (flags.share !== undefined) raw['share'] = flags.share;
  if (!CONNECTORS.includes(raw['connector'] as (typeof CONNECTORS)[number])) {
    throw new ConfigError(`unknown connector ${String(raw['connector'])}`, {
      code: 'unknown_connector',
      place: placeOf([...base, 'connector']),
      expected: CONNECTORS.join(', '),
      found: String(raw['connector']),
    });
  }
  const parsed =
    raw['connector'] === 'manifest'
      ? (validate(manifestSourceSchema, raw, base, placeOf) as ManifestSourceConfig)
      : (validate(stripeConfigSchema, raw, base, placeOf) as StripeConfig);
  return { name, source: parsed, destination: destinationOf(destination, flags), dataDir };
}

function destinationOf(configured: DestinationConfig, flags: ConnectionFlags): DestinationConfig {
  const mode = flags.mode ?? configured.mode;
  const schema = flags.schema ?? ('schema' in configured ? configured.schema : undefined);
  const { to } = flags;
  if (to === undefined) return configured.type === 'ndjson' ? { ...configured, mode } : { ...configured, mode, schema };
  if (to === 'embedded') return { type: 'embedded', schema, mode };
  if (/^postgres(ql)?:\/\//.test(to)) return { type: 'postgres', url: to, schema, mode };
  const files = /^(?:ndjson:|file:)(.+)$/.exec(to);
  if (files) return { type: 'ndjson', path: files[1]!, mode };
  throw new ConfigError('--to names no destination', {
    code: 'bad_destination',
    place: '--to',
    expected: 'embedded, postgres://… or ndjson:FOLDER',
    found: to.replace(/:[^:@/]*@/, ':***@'),
  });
}

export async function openDestination(
  connection: ConnectionConfig,
): Promise<Destination & { notice?: string | undefined }> {
  const { destination, name } = connection;
  switch (destination.type) {
    case 'embedded':
      return embeddedDestination(connection.dataDir, destination.schema ?? name);
    case 'postgres':
      return postgresDestination(destination.url, destination.schema ?? name, connection.egress);
    case 'ndjson':
      return ndjsonDestination(path.resolve(destination.path));
  }
}

export async function openSource(
  connection: ConnectionConfig,
  observe?: (event: AttemptEvent) => void,
): Promise<OpenedSource> {
  /** One for each credential that the source uses: as a rule, one. */
  const gates: { gate: SharedGate; credential: string | undefined }[] = [];
  /** What calls when a request that had to wait may go. */
  const waking: { onChange: () => void }[] = [];
  const gateOf = (limits: CredentialGateOptions, credential: string | undefined) => {
    const gate = new SharedGate(limits, systemClock);
    gates.push({ gate, credential });
    waking.push(gate);
    return gate;
  };
  const parts = {
    gateFor: (limits: CredentialGateOptions) => gateOf(limits, undefined),
    gatesFor: ({ facts, ceilings = {} }: CredentialGateOptions, credentials: string[], quotas: QuotaSource) => {
      const own = ceilingsOfOne(ceilings, credentials.length);
      const members = credentials.map(
        (credential) =>
          new QuotaGate(
            gateOf({ ...(facts ? { facts } : {}), ceilings: own }, credential),
            credential,
            quotas,
            systemClock,
          ),
      );
      waking.push(...members);
      return new InterchangeableGate(members, ceilings);
    },
    clock: systemClock,
    random: systemRandom(),
    egress: connection.egress,
    ...(observe ? { observe } : {}),
  };
  const { source, fingerprint, notes } = await openConnector(connection, parts);
  const { client } = source;
  const { gate } = client.admission;
  for (const each of waking) each.onChange = () => client.admission.pump();
  return {
    source,
    notes,
    permits: {
      admit: (endpoint, weight, signal) => client.admission.admit({ endpoint, weight, signal }),
      rateOf: (endpoint) => gate.rateOf(endpoint),
      latencyMs: () => {
        const { latencyMs } = client.meter;
        return latencyMs === undefined ? undefined : latencyMs + Math.max(...gates.map((each) => each.gate.grantMs));
      },
      inFlightBound: () => Math.min(client.meter.inFlightBound(), gate.concurrency()),
    },
    gateStatus: () => gate.status(systemClock.monotonic()),
    limits: {
      fingerprint,
      // Credentials that stand in for each other have the same limits.
      recall: (memory) => gates.forEach((each) => each.gate.recall(memory as GateMemory)),
      remember: () => ({
        memory: Object.assign({}, ...gates.map((each) => each.gate.remember())) as GateMemory,
        views: gate.status(systemClock.monotonic()).limits,
      }),
    },
    shareBudget: async (destination, onError) => {
      if (!('target' in destination)) return async () => {};
      const member = `${hostname()}/${process.pid}/${newRunId()}`;
      const { target } = destination as PostgresDestination;
      for (const each of gates) {
        const own =
          each.credential === undefined ? fingerprint : fingerprintOf(connection.source.base_url, each.credential);
        await each.gate.attach(
          async () => BudgetStore.open(await connect(target, 'headrace budget', { pipeline: true }), own, member),
          member,
          onError,
        );
      }
      return async () => {
        await Promise.all(gates.map((each) => each.gate.close()));
      };
    },
  };
}

type SourceParts = Parameters<typeof stripeSource>[1] & Pick<ManifestParts, 'gatesFor'>;

async function openConnector(
  { source, sourceConfigFile, fileStreams, onConfigChange: tell, onExchange }: ConnectionConfig,
  parts: SourceParts,
): Promise<{ source: Source & { client: ApiClient }; fingerprint: string; notes: string[] }> {
  if (source.connector === 'stripe')
    return {
      source: stripeSource(source, parts),
      fingerprint: fingerprintOf(source.base_url, source.api_key, source.account),
      notes: [],
    };
  // Its code is only loaded where a manifest is read.
  const { openManifest } = await import('../sources/manifest/open.js');
  const onConfigChange = (config: Record<string, unknown>) => {
    if (sourceConfigFile !== undefined) writeConfigFile(sourceConfigFile, config);
    tell?.(config);
  };
  const opened = await openManifest(source, { ...parts, onConfigChange, onExchange, fileStreams });
  return {
    source: opened.source,
    fingerprint: fingerprintOf(source.base_url, ...opened.credential),
    notes: opened.notes,
  };
}

/** Tells credentials apart without telling what they are. */
export function fingerprintOf(...parts: (string | undefined)[]): string {
  return createHash('sha256')
    .update(`headrace limits\u0001${parts.join('\u0001')}`)
    .digest('hex')
    .slice(0, 24);
}

/** Sorts by time and is unique: `mi2x9k3f-4c1d`. */
export function newRunId(): string {
  return `${systemClock.now().toString(36)}-${randomBytes(4).toString('hex')}`;
}
