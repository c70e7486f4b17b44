/** Public entry `headrace/destination`: what the author of a destination needs. */
export type * from './contract.js';
export { addCounts, noCounts } from './contract.js';
export { destinationConformance, type ConformanceCase } from './conformance.js';
export { defineDestination, type DestinationDefinition, type DestinationSettingsOf } from './define-destination.js';
export type { DestinationKind, DestinationSettings, OpenedDestination, OpenPlace } from './kind.js';
export type { DataRecord, JsonSchema, WriteMode } from '../base/catalog.js';
export { ConfigError, FatalError, HeadraceError, LedgerConflictError, RetriableError } from '../base/errors.js';
/** The schema library that settings are written in, so that a destination needs no other package. */
export { z } from 'zod';
