/**
 * Interpolation as Airbyte's manifests mean it: Jinja renders a text, and Python's literal_eval reads the result, so
 * that a template may stand for a number, a list or an object. An empty result, or one that met an undefined value,
 * gives way to the default.
 */
import { systemClock } from '../../../base/clock.js';
import { compileTemplate, type CompiledTemplate } from './compile.js';
import { literalOf } from './literal.js';
import { macros } from './macros.js';
import { Frame } from './scope.js';
import {
  Attributes,
  isTrue,
  PyFloat,
  TemplateError,
  textOf,
  TypeMismatch,
  UndefinedUse,
  type Dict,
  type Value,
} from './values.js';

/** What a template can see; keys are the names of Airbyte's interpolation context. */
export type Context = Dict;

const OLD_NAMES = ['stream_interval', 'stream_partition'];
const GONE = 'stream_state';
const MOST_CACHED = 20_000;
const MOST_SOURCE = 1_000_000;

export class Templates {
  private readonly globals: ReturnType<typeof macros>;
  private readonly compiled = new Map<string, CompiledTemplate | null>();

  /** `now`: milliseconds since the epoch, for `now_utc()` and its kin. */
  constructor(now: () => number = () => systemClock.now()) {
    this.globals = macros(now);
  }

  /** Renders, and reads the result as a literal. Throws TemplateError. */
  evaluate(source: string, context: Context, fallback: string | null = null): Value {
    if (source.includes(GONE))
      throw new TemplateError(
        '`stream_state` cannot be used in templates any more; `stream_interval` has what it was used for',
      );
    const template = this.compile(source);
    if (template === null) return source === '' ? this.fallback(fallback, context) : literalOf(source);
    try {
      const scope = this.scope(template, context);
      if (template.single) {
        const value = template.single(scope);
        // A number or a boolean reads back as itself.
        if (typeof value === 'number' || typeof value === 'boolean')
          return Number.isFinite(value) || typeof value === 'boolean' ? value : textOf(value);
        if (value === null) return null;
        const text = textOf(value);
        if (text !== '') return literalOf(text);
      } else {
        const text = template.render(scope);
        if (text !== '') return literalOf(text);
      }
    } catch (error) {
      if (error instanceof TypeMismatch) return literalOf(source);
      if (!(error instanceof UndefinedUse)) throw error;
    }
    return this.fallback(fallback, context);
  }

  /** Airbyte's InterpolatedString: without a value the text itself stands. */
  string(source: string, context: Context, fallback = ''): Value {
    return this.evaluate(source, context, fallback || source);
  }

  /** Rendered, and read as a literal only where `accepts` takes what comes out; null where nothing does. */
  accepted(source: string, context: Context, accepts: (value: Value) => boolean): Value {
    const template = this.compile(source);
    let text = source;
    if (template !== null) {
      try {
        text = template.render(this.scope(template, context));
      } catch (error) {
        if (error instanceof UndefinedUse) return null;
        if (!(error instanceof TypeMismatch)) throw error;
      }
    }
    if (text === '') return null;
    const value = literalOf(text);
    return accepts(value) ? value : text;
  }

  /** Airbyte's InterpolatedBoolean. */
  condition(source: string | boolean, context: Context): boolean {
    if (typeof source === 'boolean') return source;
    const value = this.evaluate(source, context, 'False');
    if (typeof value === 'string') return !FALSE_TEXTS.has(value);
    // Zero is in the list of false values as an equal of False.
    if (value instanceof PyFloat) return value.value !== 0;
    return isTrue(value);
  }

  /** Compiles ahead, so that a fault shows before anything is read. Throws TemplateError. */
  compile(source: string): CompiledTemplate | null {
    let template = this.compiled.get(source);
    if (template === undefined) {
      if (source.length > MOST_SOURCE) throw new TemplateError('a template is too long');
      template = /\{[{%#]/.test(source) ? compileTemplate(source, this.globals) : null;
      if (this.compiled.size >= MOST_CACHED) this.compiled.clear();
      this.compiled.set(source, template);
    }
    return template;
  }

  private scope(template: CompiledTemplate, context: Context) {
    for (const name of template.free) {
      if (Object.hasOwn(context, name) || (OLD_NAMES.includes(name) && Object.hasOwn(context, 'stream_slice')))
        continue;
      throw new TemplateError(
        `the template uses ${name}, which is not known here; known are ${Object.keys(context).join(', ')}`,
      );
    }
    return {
      context:
        'stream_slice' in context &&
        !('stream_interval' in context) &&
        template.free.some((name) => OLD_NAMES.includes(name))
          ? { ...context, stream_interval: context['stream_slice'], stream_partition: context['stream_slice'] }
          : context,
      frame: rootFrame(),
      globals: this.globals,
    };
  }

  private fallback(fallback: string | null, context: Context): Value {
    if (fallback === null) return null;
    const template = this.compile(fallback);
    if (template === null) return literalOf(fallback);
    try {
      return literalOf(template.render(this.scope(template, context)));
    } catch (error) {
      if (error instanceof TypeMismatch) return literalOf(fallback);
      if (error instanceof UndefinedUse) throw new TemplateError(error.message);
      throw error;
    }
  }
}

/** Knows the template by its name, and nothing of it. */
function rootFrame(): Frame {
  const frame = new Frame();
  frame.set('self', SELF);
  return frame;
}

const SELF = new Attributes(
  () => '<TemplateReference None>',
  () => undefined,
);
const FALSE_TEXTS = new Set(['False', 'false', '{}', '[]', '()', '', '0', '0.0']);

/** As `plainOf`, for what is kept as JSON: integers past 2^53 are texts. */
export function storedOf(value: Value): unknown {
  const digits = (inner: unknown): unknown =>
    typeof inner === 'bigint'
      ? String(inner)
      : Array.isArray(inner)
        ? inner.map(digits)
        : inner !== null && typeof inner === 'object'
          ? Object.fromEntries(Object.entries(inner).map(([key, item]) => [key, digits(item)]))
          : inner;
  return digits(plainOf(value));
}

/** What JSON has for a value of a template; an integer past 2^53 is a bigint. */
export function plainOf(value: Value): unknown {
  if (value === undefined) return null;
  if (value instanceof PyFloat) return value.value;
  if (Array.isArray(value)) return value.map(plainOf);
  if (value !== null && typeof value === 'object') {
    const proto = Object.getPrototypeOf(value) as unknown;
    if (proto === Object.prototype || proto === null) {
      const out: Record<string, unknown> = {};
      for (const key of Object.keys(value))
        Object.defineProperty(out, key, {
          value: plainOf((value as Dict)[key]),
          enumerable: true,
          writable: true,
          configurable: true,
        });
      return out;
    }
    return textOf(value);
  }
  return typeof value === 'function' ? textOf(value) : value;
}
