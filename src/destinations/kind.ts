/**
 * The descriptor of a kind of destination: all that the rest of Headrace knows of it before it is opened. The command
 * line, the configuration file, the API and the reference ask the registry for descriptors, and name no destination.
 */
import { z } from 'zod';
import { WRITE_MODES, type WriteMode } from '../base/catalog.js';
import type { Egress } from '../base/egress.js';
import type { Destination, StreamTarget } from './contract.js';

/** Settings of a destination, checked by its kind's schema. */
export interface DestinationSettings {
  /** Name of the kind, or the path of its module. */
  type: string;
  mode: WriteMode;
  /** Where tables go, for kinds that have schemas. */
  schema?: string | undefined;
  [setting: string]: unknown;
}

/** How rows land: for the schema of every kind. */
export const mode = z
  .enum(WRITE_MODES)
  .default('upsert')
  .describe(
    'upsert: one row a key; append: every read row is kept; replace: a fresh table, swapped in after the proof.',
  )
  .meta({ title: 'Mode' });

/** Headrace's own tables, and PostgreSQL's. */
const RESERVED_SCHEMA = /^(?:_headrace$|pg_|information_schema$)/i;

/** For the schema of kinds that have tables. */
export const schemaName = z
  .string()
  .min(1)
  .max(63)
  .refine((name) => !RESERVED_SCHEMA.test(name), 'a schema that is not reserved, such as shop')
  .optional()
  .describe('Schema for the tables. Default: the name of the connection.')
  .meta({ title: 'Schema' });

/** What a destination is opened for. */
export interface OpenPlace {
  /** Name of the connection. */
  connection: string;
  /** The data folder, absolute. */
  dataDir: string;
  /** For who only asks what is stored: nothing is made, and where there is nothing yet, a ConfigError says so. */
  existing?: boolean | undefined;
  /** Where it may lead, where somebody else wrote it; everywhere where it is left out. */
  egress?: Egress | undefined;
}

/** With what the user should know of where data is kept. */
export type OpenedDestination = Destination & { notice?: string | undefined };

/** Commands that some destinations answer, as their method is called. */
export type Ability = 'query' | 'compact';

/** All that is known of a kind of destination before it is opened. */
export interface DestinationKind<Settings extends DestinationSettings = DestinationSettings> {
  /** As `type:` names it. */
  name: string;
  /** As people call it, and `headrace init` offers it. */
  title: string;
  /** What it is, as a sentence. */
  about: string;
  /** What `--to` may hold for it, as the help tells: `ndjson:FOLDER`. */
  to: string;
  /** What `headrace init` writes for it. */
  start: string;
  schema: z.ZodObject & z.ZodType<Settings>;
  /** Settings that hold secrets: never shown, and sealed where they are stored. */
  secrets: readonly string[];
  /** Environment variables that `headrace init` refers to. */
  environment: Readonly<Record<string, string>>;
  /**
   * Settings that name folders to write to. A file may name any folder. A connection made through the API is kept below
   * the data folder, whatever it names. Empty: it writes to no path of the user's choice.
   */
  paths: readonly string[];
  /** What it can do beyond storing rows: answer SQL, merge its files to one row a key. */
  can?: readonly Ability[] | undefined;
  /**
   * Judges where the settings lead, before a connection of the API is stored. Throws ConfigError. Every connection that
   * is made is judged again.
   */
  assertTargets?(settings: Settings, egress: Egress): Promise<void>;
  /** The statements that make the tables of streams, for kinds that have some. Nothing is opened. */
  ddl?(settings: Settings, connection: string, streams: StreamTarget[]): Promise<string[]>;
  /** The settings that a text of `--to` stands for; undefined where it is not of this kind. */
  fromText(text: string): Record<string, unknown> | undefined;
  open(settings: Settings, place: OpenPlace): OpenedDestination | Promise<OpenedDestination>;
}
