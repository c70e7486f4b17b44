/** A connection while it is written: what fields hold, and the settings that they make. */
import type { Connector, ConnectionEdit, DefinitionDetail, Destination } from '../client/index.js';
import { startOf, type Schema } from './schema';

export type Every = 'asked' | 'every' | 'cron';

/** What a webhook may be told. */
export const ALERT_KINDS = ['failed', 'late', 'unproven', 'recovered'] as const;

/** One who is told. `again`: what was stored of the address is lost with its place. */
export interface AlertDraft {
  url: string;
  format: 'json' | 'slack';
  on: readonly string[];
  again?: boolean;
}

export interface Draft {
  id: string;
  source: Record<string, unknown>;
  destination: Record<string, unknown>;
  /** Undefined: all streams. */
  streams: string[] | undefined;
  when: Every;
  every: string;
  cron: string;
  zone: string;
  /** How old what is stored may be; empty: nobody asks. */
  freshWithin: string;
  alerts: AlertDraft[];
  most: string;
  version?: number;
  /** What no field shows. */
  rest: Record<string, unknown>;
}

/** What is known of what is connected. */
export interface Kinds {
  connector: Connector;
  definition: DefinitionDetail | undefined;
  destinations: Destination[];
}

/** What the definition asks for: of one that is chosen, or that the connector is made of. */
export function configSchemaOf({ connector: { definition: named, settings }, definition }: Kinds): Schema | undefined {
  if (!named) return undefined;
  return (definition?.config ?? (settings as Schema).properties?.[named.config]) as Schema | undefined;
}

/** Where nothing is written yet. */
export function newDraft(kinds: Kinds): Draft {
  const { connector, definition, destinations } = kinds;
  const config = configSchemaOf(kinds);
  const source = startOf(connector.settings as Schema) as Record<string, unknown>;
  const named = connector.definition;
  const [destination] = destinations.filter(({ storable }) => storable);
  return {
    id: nameOf(definition?.name ?? connector.name),
    source: {
      ...source,
      connector: connector.name,
      ...(named?.setting && definition ? { [named.setting]: definition.name } : {}),
      ...(named && config ? { [named.config]: startOf({ ...config, default: undefined }) ?? {} } : {}),
    },
    destination: startDestination(destination!),
    streams: undefined,
    when: 'every',
    every: '1h',
    cron: '0 3 * * *',
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC',
    freshWithin: '',
    alerts: [],
    most: '4',
    rest: {},
  };
}

export const startDestination = ({ settings, name }: Destination): Record<string, unknown> => ({
  ...(startOf(settings as Schema) as object),
  type: name,
});

/** A name that the service takes. */
const nameOf = (text: string) =>
  text
    .toLowerCase()
    .replace(/^source-/, '')
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 40);

export function draftOf(id: string, settings: unknown, version: number): Draft {
  const {
    source: { streams, ...source },
    destination,
    schedule,
    max_concurrent_processes: most,
    fresh_within: freshWithin = '',
    alerts = [],
    ...rest
  } = settings as {
    source: Record<string, unknown>;
    destination: Record<string, unknown>;
    schedule?: { every?: string; cron?: string; time_zone?: string };
    max_concurrent_processes?: number;
    fresh_within?: string;
    alerts?: AlertDraft[];
  };
  return {
    id,
    source,
    destination,
    streams: streams as string[] | undefined,
    when: schedule?.every !== undefined ? 'every' : schedule?.cron !== undefined ? 'cron' : 'asked',
    every: schedule?.every ?? '1h',
    cron: schedule?.cron ?? '0 3 * * *',
    zone: schedule?.time_zone ?? 'UTC',
    freshWithin,
    alerts,
    most: String(most ?? 4),
    version,
    rest: { ...rest, ...(schedule ? { schedule } : {}) },
  };
}

export function settingsOf(draft: Draft): ConnectionEdit {
  const {
    every: _every,
    cron: _cron,
    time_zone: _zone,
    ...before
  } = (draft.rest['schedule'] ?? {}) as Record<string, unknown>;
  const schedule =
    draft.when === 'asked'
      ? undefined
      : draft.when === 'every'
        ? { ...before, every: draft.every.trim() }
        : { ...before, cron: draft.cron.trim(), time_zone: draft.zone.trim() };
  return {
    ...draft.rest,
    source: { ...draft.source, ...(draft.streams === undefined ? {} : { streams: draft.streams }) },
    destination: draft.destination,
    max_concurrent_processes: Number(draft.most),
    schedule,
    ...(draft.alerts.length === 0
      ? {}
      : { alerts: draft.alerts.map(({ url, format, on }) => ({ url: url.trim(), format, on })) }),
    ...(draft.freshWithin.trim() === '' ? {} : { fresh_within: draft.freshWithin.trim() }),
    // What the fields hold is checked by the service.
  } as unknown as ConnectionEdit;
}

/** The same, of all streams: for who chooses among them. */
export const wholeOf = (draft: Draft): ConnectionEdit => settingsOf({ ...draft, streams: undefined });
