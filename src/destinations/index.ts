/** Public entry `headrace/destination`: what the author of a destination needs. */
export type * from './contract.js';
export { addCounts, noCounts } from './contract.js';
export { destinationConformance, type ConformanceCase } from './conformance.js';
