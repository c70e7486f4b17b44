/**
 * Which names a template takes from its context, by Jinja's own rules: a name is looked up there where it is read
 * before it is set, or set in a branch of an `if` alone.
 */
import {
  argumentsOf,
  children,
  type Arguments,
  type Expression,
  type MacroParts,
  type Statement,
  type Target,
} from './syntax.js';

class Symbols {
  readonly stores = new Set<string>();
  /** How each name that is read or set gets its first value. */
  readonly loads = new Map<string, 'resolve' | 'known'>();

  constructor(readonly parent?: Symbols) {}

  knows(name: string): boolean {
    return this.loads.has(name) || (this.parent?.knows(name) ?? false);
  }

  load(name: string): void {
    if (!this.knows(name)) this.loads.set(name, 'resolve');
  }

  store(name: string): void {
    this.stores.add(name);
    if (!this.loads.has(name)) this.loads.set(name, 'known');
  }

  parameter(name: string): void {
    this.stores.delete(name);
    this.loads.set(name, 'known');
  }

  copy(): Symbols {
    const copy = new Symbols(this.parent);
    for (const name of this.stores) copy.stores.add(name);
    for (const [name, how] of this.loads) copy.loads.set(name, how);
    return copy;
  }

  branches(all: Symbols[]): void {
    const set = new Set(all.flatMap((each) => [...each.stores]).filter((name) => !this.stores.has(name)));
    for (const each of all) {
      for (const [name, how] of each.loads) this.loads.set(name, how);
      for (const name of each.stores) this.stores.add(name);
    }
    for (const name of set) this.loads.set(name, this.parent?.knows(name) ? 'known' : 'resolve');
  }
}

/** Names that the context must have, unless they are globals. */
export function freeNames(body: Statement[]): Set<string> {
  const free = new Set<string>();
  const root = new Symbols();
  root.parameter('self');
  frame(body, root, free);
  return free;
}

function frame(body: Statement[], symbols: Symbols, free: Set<string>): void {
  const inner: ((outer: Symbols) => void)[] = [];
  for (const node of body) statement(node, symbols, inner, free);
  for (const [name, how] of symbols.loads) if (how === 'resolve') free.add(name);
  for (const each of inner) each(symbols);
}

function statement(node: Statement, symbols: Symbols, inner: ((outer: Symbols) => void)[], free: Set<string>): void {
  const open = (body: Statement[], begin?: (own: Symbols) => void) =>
    inner.push((outer) => {
      const own = new Symbols(outer);
      begin?.(own);
      frame(body, own, free);
    });
  switch (node.type) {
    case 'text':
      return;
    case 'output':
      for (const each of node.expressions) read(each, symbols);
      return;
    case 'if':
      conditional(node, symbols, inner, free);
      return;
    case 'for':
      read(node.source, symbols);
      open(node.body, (own) => {
        own.parameter('loop');
        bind(node.target, own, true);
      });
      if (node.test) {
        const { test } = node;
        open([{ type: 'output', expressions: [test] }], (own) => bind(node.target, own, true));
      }
      open(node.otherwise);
      return;
    case 'set':
      read(node.value, symbols);
      bind(node.target, symbols, false);
      return;
    case 'set-block':
      bind(node.target, symbols, false);
      open(node.body);
      return;
    case 'filter-block':
      for (const each of node.filters) readAll(each.args, symbols);
      open(node.body);
      return;
    case 'macro':
      symbols.store(node.name);
      open(node.body, (own) => begin(node, own));
      return;
    case 'call-block':
      read(node.call, symbols);
      open(node.body, (own) => begin(node, own));
      return;
    case 'with':
      for (const value of node.values) read(value, symbols);
      open(node.body, (own) => {
        for (const target of node.targets) bind(target, own, false);
      });
      return;
    case 'block':
      inner.push(() => frame(node.body, new Symbols(), free));
      return;
    case 'loader':
      read(node.template, symbols);
      return;
    default:
      node satisfies never;
  }
}

/** Each branch is looked at as if it were alone; an `elif` is an `if` in a branch of its own. */
function conditional(
  node: Statement & { type: 'if' },
  symbols: Symbols,
  inner: ((outer: Symbols) => void)[],
  free: Set<string>,
): void {
  const [[test, yes], ...others] = node.branches as [[Expression, Statement[]], ...[Expression, Statement[]][]];
  read(test, symbols);
  const branch = (body: Statement[]) => {
    const own = symbols.copy();
    for (const each of body) statement(each, own, inner, free);
    return own;
  };
  const elifs = others.map(([condition, body]): Statement => ({
    type: 'if',
    branches: [[condition, body]],
    otherwise: [],
  }));
  symbols.branches([branch(yes), branch(elifs), branch(node.otherwise)]);
}

function begin({ parameters, defaults }: MacroParts, own: Symbols): void {
  for (const name of ['caller', 'varargs', 'kwargs', ...parameters]) own.parameter(name);
  for (const each of defaults) read(each, own);
}

function bind(target: Target, symbols: Symbols, isParameter: boolean): void {
  if (target.type === 'name') {
    if (isParameter) symbols.parameter(target.name);
    else symbols.store(target.name);
  } else if (target.type === 'namespace') symbols.load(target.name);
  else for (const item of target.items) bind(item, symbols, isParameter);
}

function readAll(args: Arguments, symbols: Symbols): void {
  for (const each of argumentsOf(args)) read(each, symbols);
}

function read(node: Expression, symbols: Symbols): void {
  switch (node.type) {
    case 'name':
      symbols.load(node.name);
      return;
    case 'call':
      read(node.callee, symbols);
      readAll(node.args, symbols);
      return;
    case 'filter':
    case 'test':
      read(node.operand, symbols);
      readAll(node.args, symbols);
      return;
    default:
      for (const each of children(node)) read(each, symbols);
  }
}
