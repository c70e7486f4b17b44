/**
 * The descriptor of a connector: all that the rest of Headrace knows of it before it is opened. The command line, the
 * configuration file, the API, the dashboard and the reference ask the registry for descriptors, and name no connector.
 */
import type { z } from 'zod';
import type { Clock } from '../base/clock.js';
import type { Egress } from '../base/egress.js';
import type { Random } from '../base/random.js';
import type { Ceilings, Gate, InterchangeableGates, LimitFact, QuotaSource } from '../gate/gate.js';
import type { Admission } from '../http/admission.js';
import type { AttemptEvent } from '../http/client.js';
import type { LatencyMeter } from '../http/latency.js';
import type { Source } from './contract.js';

/**
 * Settings of a source, checked by its connector's schema. Those that are named here are the same for every connector.
 */
export interface SourceSettings {
  /** Name of the connector, or the path of its module. */
  connector: string;
  /** Where the API is, instead of its own address. */
  base_url?: string | undefined;
  /** Read these streams only. */
  streams?: string[] | undefined;
  /** Leave these streams out. */
  exclude?: string[] | undefined;
  [setting: string]: unknown;
}

/** What a setting names on the machine: code that is run, a folder that is written to, or a file that is only read. */
export type Place = 'code' | 'folder' | 'definition';

/** What is known of the limits of a credential before the first request, and what the user allows. */
export interface ConnectionLimits {
  facts: LimitFact[];
  ceilings: Ceilings;
}

/** What a connector is opened with. */
export interface ConnectorParts {
  /** The gate of the connection's credential. */
  gateFor: (limits: ConnectionLimits) => Gate;
  /** Gates of credentials that stand in for each other. */
  gatesFor: (limits: ConnectionLimits, credentials: string[], quotas: QuotaSource) => InterchangeableGates;
  clock: Clock;
  random: Random;
  /** Where requests may go; everywhere where it is left out. */
  egress?: Egress | undefined;
  /** Told of every attempt of a request. */
  observe?: ((event: AttemptEvent) => void) | undefined;
  /** Told of a configuration that the connector renewed itself: a refresh token that is good for one use. */
  onConfigChange?: ((config: Record<string, unknown>) => void) | undefined;
  /** Sees each request and its answer, secrets and all, where the connector can show them. */
  onExchange?: ((exchange: Exchange) => void) | undefined;
  /** Streams whose files are fetched; all that have files where it is left out. */
  fileStreams?: string[] | undefined;
  /** False: whoever reads knows no proof, so nothing is asked for its sake alone. Default: true. */
  proves?: boolean | undefined;
}

/** One request of a connector and its answer, as its author debugs it. */
export interface Exchange {
  stream: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  status: number;
  answer: unknown;
}

/** A source, and the client that its requests go through: the engine asks it for admission and latency. */
export interface OpenedConnector {
  source: Source;
  client: { admission: Admission; meter: LatencyMeter };
  /** Texts that tell this credential from others. Default: what the descriptor says. */
  credential?: (string | undefined)[] | undefined;
  /** What the user should know of the configuration. */
  notes: string[];
}

/** What `headrace connectors` tells of one. */
export interface Surveyed {
  name: string;
  kind: string;
  status: 'whole' | 'partly' | 'not';
  /** How many of its streams run; undefined: that shows when it is opened. */
  streams: number | undefined;
  /** Why not whole. */
  reason: string;
  missing: { stream: string; problems: string[] }[];
}

/** What fetching definitions needs. */
export interface FetchParts {
  clock: Clock;
  signal: AbortSignal;
  /** Told what happens, a line each. */
  tell: (line: string) => void;
}

/** What came of it. */
export interface FetchResult {
  /** What is in the data folder now that was fetched. */
  stored: Surveyed[];
  /** What could not be fetched, and why. */
  refused: { name: string; reason: string }[];
  /** Folders of connectors that have no definition. */
  without: string[];
}

/** How a connector that reads by definitions finds out what one of them asks for. */
export interface DefinitionReader {
  /** Settings that name the file of the definition, and that hold its configuration. */
  setting: string;
  config: string;
  /** What a connection by this file is called. */
  nameOf: (file: string) => string;
  /** What the definition in this file asks for. Throws ConfigError where it cannot be read. */
  specification(file: string): Promise<Specification>;
}

/** What a definition asks for. */
export interface Specification {
  title: string;
  /** JSON schema of the configuration, as the definition has it. */
  settings: Record<string, unknown>;
  documentation?: string | undefined;
}

/** All that is known of a connector before it is opened. */
export interface Connector<Settings extends SourceSettings = SourceSettings> {
  /** As `connector:` names it. */
  name: string;
  /** As people call it. */
  title: string;
  /** What it reads, as a sentence. */
  about: string;
  /** `native`: written in TypeScript; `manifest`: read from a definition; `own`: of the user. */
  kind: 'native' | 'manifest' | 'own';
  /** Everything that `source:` may hold. Makes the reference, forms, questions and errors. */
  schema: z.ZodObject & z.ZodType<Settings>;
  /** Settings that hold secrets: never shown, and sealed where they are stored. */
  secrets: readonly string[];
  /** Environment variables that settings are taken from where nothing else gives them. */
  environment: Readonly<Record<string, string>>;
  /** Settings that name places on the machine. */
  places: Readonly<Record<string, Place>>;
  /** How the API tells of its limits: a dialect of `http/dialects/`; undefined: it depends on the settings. */
  dialect: string | undefined;
  /**
   * The header in which the API signs its webhooks, as `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`. Undefined:
   * none of its webhooks are taken.
   */
  webhookHeader?: string | undefined;
  /** Questions of `headrace init`, for settings that can be left out. */
  questions?: Readonly<Record<string, string>> | undefined;
  /** How many streams it has, where that is known before it is opened. */
  streams?: number | undefined;
  /** Settings that open it without a request, for the list of its streams in the reference. */
  example?: Readonly<Record<string, unknown>> | undefined;
  /** Its own part of the reference, as Markdown; default: the list of its streams. */
  reference?(): Promise<string>;
  /** It reads by a definition in a file: the settings that name the file and its configuration. */
  definition?: DefinitionReader | undefined;
  /** Which definitions in a folder it can read, and how far. */
  survey?(folder: string, options: { code?: string | undefined }): Promise<Surveyed[]>;
  /** Connectors of the definitions that were fetched into the data folder. Cheap: no definition is read for it. */
  fetched?(dataDir: string): Connector[];
  /** Fetches definitions of a folder or an address into the data folder. One that is faulty stops no other. */
  fetch?(from: string, dataDir: string, parts: FetchParts): Promise<FetchResult>;
  /** The setting that holds the connector's own configuration, where that is not the settings themselves. */
  configIn?: string | undefined;
  /** How far a fetched definition runs, by what was found when it was fetched where that still holds. */
  surveyed?(options: { code?: string | undefined }): Promise<Surveyed>;
  /** Settings that a new headrace.yaml begins with; secrets by reference, as `${ENV}`. */
  start?(): Record<string, unknown>;
  /** The usual limits of the API. */
  limits(settings: Settings): LimitFact[];
  /** Name of the app whose limit it shares. Default: the connector's. */
  app?(settings: Settings): string;
  /** Secrets among the settings that only a definition names. */
  secretTexts?(settings: Settings): Promise<string[]>;
  /** Texts that tell this credential from others. */
  credential(settings: Settings): (string | undefined)[];
  open(settings: Settings, parts: ConnectorParts): OpenedConnector | Promise<OpenedConnector>;
}
