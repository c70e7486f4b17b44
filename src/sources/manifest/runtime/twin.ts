/** The contract of a twin: TypeScript that stands for a Python class which a manifest names. */
import type { DataRecord } from '../../../base/catalog.js';
import type { JsonObject } from '../document/read.js';

/** What a twin is told of the component that it stands for. */
export interface TwinInput {
  /** The component as the manifest has it, parameters handed down. */
  component: JsonObject;
  config: JsonObject;
  /**
   * The value of a template of the manifest's language; it sees `config`, the component's parameters and what is given.
   */
  evaluate: (template: string, scope?: Record<string, unknown>) => unknown;
}

/** The same, with the part of the stream that is read. */
export interface TwinSliceInput extends TwinInput {
  slice: Record<string, unknown>;
  /** The schema of the stream that a transformation is of. */
  schema?: (() => JsonObject) | undefined;
}

/** What a replacement may be made from. */
export interface ReplaceInput {
  evaluate: TwinInput['evaluate'];
  /** The schema of the stream, where the component is a stream's own requester. */
  schema?: (() => JsonObject) | undefined;
}

/** What each kind of custom component stands for. All are pure, but for the clock. */
export interface Twin {
  /** CustomRecordExtractor: records of a decoded response. */
  extract?: (body: unknown, input: TwinSliceInput) => DataRecord[];
  /** CustomTransformation: the record, changed or a new one. */
  transform?: (record: DataRecord, input: TwinSliceInput) => DataRecord;
  /** CustomTransformation: standard ones that it is made of, in their order. */
  steps?: (component: JsonObject) => JsonObject[];
  /** CustomRecordFilter: whether the record stays. */
  keep?: (record: DataRecord, input: TwinSliceInput) => boolean;
  /** Any component that a standard one can replace, as `{type: DefaultErrorHandler, …}`. */
  replace?: (component: JsonObject, config: JsonObject, input: ReplaceInput) => JsonObject | undefined;
  /** CustomSchemaLoader: the schema of the stream, told before anything is read. */
  schema?: (component: JsonObject, config: JsonObject) => JsonObject;
  /** CustomAuthenticator: headers for a request. */
  authenticate?: (input: TwinInput) => Record<string, string>;
  /** CustomStateMigration: undefined where it does not apply. */
  migrateState?: (
    state: Record<string, unknown>,
    input: Pick<TwinInput, 'component' | 'config'>,
  ) => Record<string, unknown> | undefined;
}

/** Twins by the name of the class that they stand for. */
export type Twins = Readonly<Record<string, Twin>>;
