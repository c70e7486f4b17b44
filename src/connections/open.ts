/** Opens what a connection names: its source behind the gate of its credential, and its destination. */
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { systemClock } from '../base/clock.js';
import { systemRandom } from '../base/random.js';
import { writeConfigFile } from '../config/connector-file.js';
import { validate } from '../config/load.js';
import type { Destination } from '../destinations/contract.js';
import type { DestinationSettings, OpenedDestination } from '../destinations/kind.js';
import { DESTINATIONS, destinationOfText } from '../destinations/registry.js';
import type { Permits } from '../engine/read/context.js';
import type { LimitKeeper } from '../engine/run/limit-memory.js';
import type { GateMemory } from '../gate/credential-gate.js';
import type { GateStatus } from '../gate/gate.js';
import type { ConnectionGates } from '../gate/shared/connection-gates.js';
import type { AttemptEvent } from '../http/client.js';
import type { PostgresTarget } from '../postgres/connect.js';
import type { Connector, ConnectorParts, OpenedConnector, SourceSettings } from '../sources/connector.js';
import type { Source } from '../sources/contract.js';
import { CONNECTORS } from '../sources/registry.js';
import type { ConnectionConfig } from './resolve.js';

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

/** Opens the destination of a connection; close it when done. */
export async function openDestination(connection: ConnectionConfig): Promise<OpenedDestination> {
  const { destination, destinationModule, name, dataDir, egress } = connection;
  const kind = await DESTINATIONS.get(destination.type, destinationModule);
  return kind.open(destination, { connection: name, dataDir, egress });
}

/** Opens the destination that a text of `--to` names, without a connection. Throws ConfigError. */
export async function openDestinationOf(text: string, dataDir: string): Promise<OpenedDestination> {
  const folder = process.cwd();
  const settings = { mode: 'upsert', ...(await destinationOfText(text, folder)) } as DestinationSettings;
  const kind = await DESTINATIONS.get(settings.type, DESTINATIONS.locate(settings.type, folder));
  return kind.open(
    validate(kind.schema, settings, [], () => '--to'),
    {
      connection: 'query',
      dataDir,
      existing: true,
    },
  );
}

/** Opens the source of a connection behind the gate of its credential; close it when done. */
export async function openSource(
  connection: ConnectionConfig,
  observe?: (event: AttemptEvent) => void,
): Promise<OpenedSource> {
  const { source: settings, sourceModule, fileStreams, proves, onExchange, egress, incomplete } = connection;
  const connector = await CONNECTORS.get(settings.connector, sourceModule);
  // Loaded here and not above: many commands open no source.
  const { ConnectionGates } = await import('../gate/shared/connection-gates.js');
  const gates = new ConnectionGates(systemClock);
  const parts: ConnectorParts = {
    gateFor: (limits) => gates.one(limits),
    gatesFor: (limits, credentials, quotas) => gates.several(limits, credentials, quotas),
    clock: systemClock,
    random: systemRandom(),
    egress,
    observe,
    onConfigChange: (config) => configChanged(connection, config),
    onExchange,
    fileStreams,
    proves,
  };
  const { source, client, credential, notes } = await openedWith(connector, settings, parts).catch((error: unknown) => {
    throw incomplete ?? error;
  });
  gates.wake(() => client.admission.pump());
  const { gate } = client.admission;
  const fingerprint = fingerprintOf(...(credential ?? connector.credential(settings)));
  return {
    source,
    notes,
    permits: permitsOf(client, gates),
    gateStatus: () => gate.status(systemClock.monotonic()),
    limits: {
      fingerprint,
      recall: (memory) => gates.recall(memory as GateMemory),
      remember: () => ({ memory: gates.remember(), views: gate.status(systemClock.monotonic()).limits }),
    },
    shareBudget: (destination, onError) =>
      shareBudget(gates, databaseOf(destination), onError, (own) =>
        own === undefined ? fingerprint : fingerprintOf(settings.base_url, own),
      ),
  };
}

/** What is thrown at once is a rejection as well. */
const openedWith = async (connector: Connector, settings: SourceSettings, parts: ConnectorParts) =>
  connector.open(settings, parts);

function permitsOf({ admission, meter }: OpenedConnector['client'], gates: ConnectionGates): Permits {
  const { gate } = admission;
  return {
    admit: (endpoint, weight, signal) => admission.admit({ endpoint, weight, signal }),
    giveBack: (ticket) => admission.giveBack(ticket),
    rateOf: (endpoint) => gate.rateOf(endpoint),
    wholeRate: () => gate.status(systemClock.monotonic()).limitPerSecond,
    latencyMs: () => (meter.latencyMs === undefined ? undefined : meter.latencyMs + gates.grantMs()),
    inFlightBound: () => Math.min(meter.inFlightBound(), gate.concurrency()),
    waits: () => meter.waits(),
  };
}

async function shareBudget(
  gates: ConnectionGates,
  target: PostgresTarget | undefined,
  onError: (error: unknown) => void,
  fingerprint: (credential: string | undefined) => string,
): Promise<() => Promise<void>> {
  if (!target) return async () => {};
  const [{ BudgetStore }, { connect }] = await Promise.all([
    import('../gate/shared/budget-store.js'),
    import('../postgres/connect.js'),
  ]);
  const member = `${hostname()}/${process.pid}/${newRunId()}`;
  await gates.attach(
    async (credential) =>
      BudgetStore.open(await connect(target, 'headrace budget', { pipeline: true }), fingerprint(credential), member),
    member,
    onError,
  );
  return () => gates.close();
}

/** The database of a destination that is one: processes meet there. */
export function databaseOf(destination: Destination & { target?: PostgresTarget }): PostgresTarget | undefined {
  return destination.target;
}

function configChanged({ sourceConfigFile, onConfigChange }: ConnectionConfig, config: Record<string, unknown>): void {
  if (sourceConfigFile !== undefined) writeConfigFile(sourceConfigFile, config);
  onConfigChange?.(config);
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
