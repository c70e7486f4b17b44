/** The syntax tree of a template. */
export type Expression =
  | { type: 'constant'; value: string | number | bigint | boolean | null }
  | { type: 'float'; value: number }
  | { type: 'name'; name: string }
  | { type: 'list' | 'tuple'; items: Expression[] }
  | { type: 'dict'; entries: [Expression, Expression][] }
  | { type: 'attribute'; object: Expression; name: string }
  | { type: 'item'; object: Expression; key: Expression }
  | { type: 'slice'; object: Expression; start?: Expression; stop?: Expression; step?: Expression }
  | { type: 'call'; callee: Expression; args: Arguments }
  | { type: 'filter'; operand: Expression; name: string; args: Arguments }
  | { type: 'test'; operand: Expression; name: string; args: Arguments; negated: boolean }
  | { type: 'not' | 'negative' | 'positive'; operand: Expression }
  | { type: 'binary'; operator: string; left: Expression; right: Expression }
  | { type: 'compare'; first: Expression; rest: [operator: string, operand: Expression][] }
  | { type: 'concat'; parts: Expression[] }
  | { type: 'condition'; test: Expression; yes: Expression; no: Expression | undefined };

export interface Arguments {
  positional: Expression[];
  named: [string, Expression][];
  /** `*args` and `**kwargs`. */
  rest?: Expression;
  namedRest?: Expression;
}

/** A name, the attribute of a namespace, or several names that a value is taken apart into. */
export type Target =
  | { type: 'name'; name: string }
  | { type: 'namespace'; name: string; attribute: string }
  | { type: 'tuple'; items: Target[] };

export interface FilterCall {
  name: string;
  args: Arguments;
}

export interface MacroParts {
  parameters: string[];
  defaults: Expression[];
  body: Statement[];
}

export type Statement =
  | { type: 'text'; text: string }
  | { type: 'output'; expressions: Expression[] }
  | { type: 'if'; branches: [Expression, Statement[]][]; otherwise: Statement[] }
  | {
      type: 'for';
      target: Target;
      source: Expression;
      test: Expression | undefined;
      isRecursive: boolean;
      body: Statement[];
      otherwise: Statement[];
    }
  | { type: 'set'; target: Target; value: Expression }
  | { type: 'set-block'; target: Target; filters: FilterCall[]; body: Statement[] }
  | { type: 'filter-block'; filters: FilterCall[]; body: Statement[] }
  | ({ type: 'macro'; name: string } & MacroParts)
  | ({ type: 'call-block'; call: Expression } & MacroParts)
  | { type: 'with'; targets: Target[]; values: Expression[]; body: Statement[] }
  | { type: 'block'; name: string; body: Statement[] }
  /** What needs a loader of templates, of which there is none. */
  | { type: 'loader'; template: Expression };

export const argumentsOf = ({ positional, named, rest, namedRest }: Arguments): Expression[] => [
  ...positional,
  ...named.map(([, each]) => each),
  ...(rest ? [rest] : []),
  ...(namedRest ? [namedRest] : []),
];

/** The expressions that an expression is made of. */
export function children(node: Exclude<Expression, { type: 'name' | 'call' | 'filter' | 'test' }>): Expression[] {
  switch (node.type) {
    case 'constant':
    case 'float':
      return [];
    case 'list':
    case 'tuple':
      return node.items;
    case 'dict':
      return node.entries.flat();
    case 'attribute':
      return [node.object];
    case 'item':
      return [node.object, node.key];
    case 'slice':
      return [node.object, node.start, node.stop, node.step].filter((each) => each !== undefined);
    case 'not':
    case 'negative':
    case 'positive':
      return [node.operand];
    case 'binary':
      return [node.left, node.right];
    case 'compare':
      return [node.first, ...node.rest.map(([, operand]) => operand)];
    case 'concat':
      return node.parts;
    case 'condition':
      return [node.test, node.yes, ...(node.no ? [node.no] : [])];
    default:
      return node satisfies never;
  }
}
