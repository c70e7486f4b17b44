/** A stream's columns, from what is stored of it and what its schema says. */
import type { StreamTarget } from '../contract.js';
import { Shape } from '../duckdb/shape.js';
import type { StoredStream } from './manifest.js';

/** The shape of a stream: what its files have, and what its schema declares beyond. */
export function shapeOf(target: StreamTarget, stored: StoredStream | undefined): Shape {
  const shape = new Shape(target);
  for (const { field, name, type, large } of stored?.columns ?? []) shape.adopt(field, name, type, large);
  shape.declare();
  // Each file has the columns that there are when it is written.
  shape.changes = [];
  return shape;
}
