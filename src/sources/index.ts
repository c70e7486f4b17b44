/** Public entry `headrace/source`: what the author of a connector needs. */
export type * from './contract.js';
export { sourceConformance, type ConformanceCase } from './conformance.js';
