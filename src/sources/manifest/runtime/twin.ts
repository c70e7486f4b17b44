/** The contract of a twin: TypeScript that stands for a Python class which a manifest names. */
import type { DataRecord } from '../../../base/catalog.js';
import type { JsonObject } from '../document/read.js';

/** What a twin is told of the component that it stands for. */
export interface TwinInput {
  /** The component as the manifest has it, parameters handed down. */
  component: JsonObject;
  config: JsonObject;
}

/** What each kind of custom component stands for. All are pure, but for the clock. */
export interface Twin {
  /** CustomRecordExtractor: records of a decoded response. */
  extract?: (body: unknown, input: TwinInput) => DataRecord[];
  /** CustomTransformation: the record, changed or a new one. */
  transform?: (record: DataRecord, input: TwinInput & { slice: Record<string, unknown> }) => DataRecord;
  /** CustomRecordFilter: whether the record stays. */
  keep?: (record: DataRecord, input: TwinInput & { slice: Record<string, unknown> }) => boolean;
  /** Any component that a standard one can replace, as `{type: DefaultErrorHandler, …}`. */
  replace?: (component: JsonObject, config: JsonObject) => JsonObject | undefined;
  /** CustomAuthenticator: headers for a request. */
  authenticate?: (input: TwinInput) => Record<string, string>;
  /** CustomStateMigration: undefined where it does not apply. */
  migrateState?: (state: Record<string, unknown>, input: TwinInput) => Record<string, unknown> | undefined;
}

/** Twins by the name of the class that they stand for. */
export type Twins = Readonly<Record<string, Twin>>;
