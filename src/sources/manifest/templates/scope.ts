/** What a template is rendered in. */
import type { Callable, Dict, Value } from './values.js';

export interface Scope {
  context: Dict;
  /** What the template itself set. */
  own: Dict;
  globals: Record<string, Callable>;
}

/** A part of a template, compiled. */
export type Expr = (scope: Scope) => Value;
