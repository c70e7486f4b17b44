/** What a template is rendered in. */
import type { Callable, Dict, Value } from './values.js';

/** Names that a template set, where it set them: a block sees those around it. */
export class Frame {
  private readonly names = new Map<string, Value>();

  constructor(readonly parent?: Frame) {}

  /** The frame that knows a name. */
  holding(name: string): Frame | undefined {
    return this.names.has(name) ? this : this.parent?.holding(name);
  }

  get(name: string): Value {
    return this.names.get(name);
  }

  set(name: string, value: Value): void {
    this.names.set(name, value);
  }
}

export interface Scope {
  context: Dict;
  frame: Frame;
  globals: Record<string, Callable>;
}

/** A part of a template, compiled. */
export type Expr = (scope: Scope) => Value;
export type Render = (scope: Scope) => string;

export const within = (scope: Scope): Scope => ({ ...scope, frame: new Frame(scope.frame) });
