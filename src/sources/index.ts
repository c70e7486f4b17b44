/** Public entry `headrace/source`: what the author of a connector needs. */
export type * from './contract.js';
export { sourceConformance, type ConformanceCase, type PageSizes } from './conformance.js';
export {
  defineSource,
  type SettingsOf,
  type SourceBody,
  type SourceDefinition,
  type SourceParts,
  type StreamDefinition,
} from './define-source.js';
export { judgeByStatus, SourceClient, type Answer, type Auth, type ClientOptions } from './source-client.js';
export type { Connector, ConnectorParts, OpenedConnector, SourceSettings } from './connector.js';
export { openForTest } from './open-for-test.js';
export type { ApiRequest, ApiResponse, Verdict } from '../http/request.js';
export type { Dialect, DialectResponse } from '../http/dialects/dialect.js';
export type { LimitFact } from '../gate/gate.js';
export type { DataRecord, JsonSchema } from '../base/catalog.js';
export {
  ConfigError,
  CursorGoneError,
  FatalError,
  HeadraceError,
  RetriableError,
  SkippableError,
  SliceGoneError,
} from '../base/errors.js';
/** The schema library that settings are written in, so that a connector needs no other package. */
export { z } from 'zod';
