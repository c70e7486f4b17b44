/** Turns the statements of a template into closures. */
import { compileArguments, compileExpression, compileOutput, compileFilter, invoke } from './expressions.js';
import { bounded } from './limits.js';
import { compileLoop } from './loop.js';
import { freeNames } from './names.js';
import { parseTemplate } from './parser.js';
import { Frame, within, type Expr, type Render, type Scope } from './scope.js';
import type { FilterCall, MacroParts, Statement, Target } from './syntax.js';
import {
  Attributes,
  failed,
  isTrue,
  iterate,
  mismatch,
  tupleOf,
  textOf,
  TypeMismatch,
  type Callable,
  type Dict,
  type Value,
} from './values.js';

export interface CompiledTemplate {
  /** Names that the context must have. */
  free: string[];
  /** The only expression, where there is nothing beside it. */
  single: Expr | undefined;
  render: Render;
}

/** Throws TemplateError where the text is no template that Jinja accepts. */
export function compileTemplate(text: string, globals: Record<string, Callable>): CompiledTemplate {
  const body = parseTemplate(text);
  const free = [...freeNames(body)].filter((name) => !Object.hasOwn(globals, name));
  const [only] = body;
  if (body.length === 1 && only!.type === 'output' && only.expressions.length === 1) {
    const single = compileOutput(only.expressions[0]!);
    return { free, single, render: (scope) => textOf(single(scope)) };
  }
  return { free, single: undefined, render: compileBody(body, false) };
}

function compileBody(nodes: Statement[], isSoft: boolean): Render {
  const parts = nodes.map((node) => compileStatement(node, isSoft));
  return (scope) => {
    let out = '';
    for (const part of parts) out += part(scope);
    bounded(out.length);
    return out;
  };
}

function compileStatement(node: Statement, isSoft: boolean): Render {
  switch (node.type) {
    case 'text': {
      const { text } = node;
      return () => text;
    }
    case 'output': {
      const parts = node.expressions.map((each) => compileExpression(each, { isSoft }));
      return (scope) => parts.map((part) => textOf(part(scope))).join('');
    }
    case 'if': {
      const branches = node.branches.map(
        ([test, body]) => [compileExpression(test, { isSoft: true }), compileBody(body, true)] as const,
      );
      const otherwise = compileBody(node.otherwise, true);
      return (scope) => (branches.find(([test]) => isTrue(test(scope)))?.[1] ?? otherwise)(scope);
    }
    case 'for':
      return compileLoop(node, { assign, compileBody, isSoft });
    case 'set': {
      const value = compileExpression(node.value, { isSoft });
      return (scope) => {
        assign(node.target, value(scope), scope);
        return '';
      };
    }
    case 'set-block': {
      const [body, filter] = [compileBody(node.body, isSoft), compileChain(node.filters, isSoft)];
      return (scope) => {
        const inner = within(scope);
        assign(node.target, filter(body(inner), inner), scope);
        return '';
      };
    }
    case 'filter-block': {
      const [body, filter] = [compileBody(node.body, isSoft), compileChain(node.filters, isSoft)];
      return (scope) => {
        const inner = within(scope);
        return textOf(filter(body(inner), inner));
      };
    }
    case 'macro': {
      const macro = compileMacro(node.name, node, isSoft);
      return (scope) => {
        scope.frame.set(node.name, macro(scope));
        return '';
      };
    }
    case 'call-block':
      return compileCallBlock(node, isSoft);
    case 'with': {
      const values = node.values.map((each) => compileExpression(each, { isSoft }));
      const body = compileBody(node.body, isSoft);
      return (scope) => {
        const inner = within(scope);
        for (const [at, target] of node.targets.entries()) assign(target, values[at]!(scope), inner);
        return body(inner);
      };
    }
    case 'block': {
      const body = compileBody(node.body, isSoft);
      return (scope) => body(within(scope));
    }
    case 'loader':
      // There is nowhere to load templates from: Python raises TypeError, and the text stands for itself.
      return () => mismatch('no loader for this environment specified');
    default:
      return node satisfies never;
  }
}

function compileChain(filters: FilterCall[], isSoft: boolean): (value: Value, scope: Scope) => Value {
  const steps = filters.map((each) => compileFilter(each, { isSoft }));
  return (value, scope) => {
    let found = value;
    for (const step of steps) found = step(found, scope);
    return found;
  };
}

function assign(target: Target, value: Value, scope: Scope): void {
  if (target.type === 'name') scope.frame.set(target.name, value);
  else if (target.type === 'namespace') {
    const object = scope.frame.holding(target.name)?.get(target.name);
    // Only what the template made itself, by namespace(), may be written to.
    if (!(object instanceof Attributes) || !object.assign)
      return failed('cannot assign attribute on non-namespace object');
    object.assign(target.attribute, value);
  } else {
    const parts = value === undefined ? [] : iterate(value);
    if (parts.length !== target.items.length)
      return failed(`${parts.length} values to unpack, expected ${target.items.length}`);
    for (const [at, item] of target.items.entries()) assign(item, parts[at], scope);
  }
}

const SPECIAL = ['caller', 'varargs', 'kwargs'];

function compileMacro(name: string, node: MacroParts, isSoft: boolean): (scope: Scope) => Value {
  const body = compileBody(node.body, isSoft);
  const defaults = node.defaults.map((each) => compileExpression(each, { isSoft }));
  const { parameters } = node;
  const used = new Set([...freeNames(node.body)].filter((each) => SPECIAL.includes(each)));
  return (scope) => {
    const call: Callable = (args, named) => {
      const frame = new Frame(scope.frame);
      const inner = { ...scope, frame };
      bindMacro({ parameters, defaults, used }, args, named, inner);
      return body(inner);
    };
    return new Attributes(
      () => `<Macro '${name}'>`,
      (attribute) => (attribute === 'name' ? name : attribute === 'arguments' ? tupleOf(parameters) : undefined),
      call,
    );
  };
}

function bindMacro(
  { parameters, defaults, used }: { parameters: string[]; defaults: Expr[]; used: Set<string> },
  args: Value[],
  named: Dict,
  scope: Scope,
): void {
  const { frame } = scope;
  const others = { ...named };
  for (const [at, name] of parameters.entries()) {
    const fallback = defaults[at - (parameters.length - defaults.length)];
    if (at < args.length) {
      if (Object.hasOwn(others, name)) throw new TypeMismatch(`macro got multiple values for argument '${name}'`);
      frame.set(name, args[at]);
    } else if (Object.hasOwn(others, name)) frame.set(name, others[name]);
    else frame.set(name, fallback?.(scope));
    Reflect.deleteProperty(others, name);
  }
  if (used.has('caller') && !parameters.includes('caller')) {
    frame.set('caller', others['caller']);
    Reflect.deleteProperty(others, 'caller');
  }
  if (used.has('kwargs')) frame.set('kwargs', others);
  else if (Object.keys(others).length > 0) throw new TypeMismatch('macro takes no such keyword argument');
  if (used.has('varargs')) frame.set('varargs', tupleOf(args.slice(parameters.length)));
  else if (args.length > parameters.length)
    throw new TypeMismatch(`macro takes not more than ${parameters.length} argument(s)`);
}

function compileCallBlock(node: Statement & { type: 'call-block' }, isSoft: boolean): Render {
  const { call } = node;
  if (call.type !== 'call') return failed('expected call');
  const [callee, args] = [compileExpression(call.callee, { isSoft }), compileArguments(call.args, { isSoft })];
  const caller = compileMacro('caller', node, isSoft);
  return (scope) => {
    const [positional, named] = args(scope);
    return textOf(invoke(callee(scope), 'macro', positional, { ...named, caller: caller(scope) }));
  };
}
