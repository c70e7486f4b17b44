/** `$ref`s of a manifest, resolved: what stands beside a reference overrides what it names. */
import { ConfigError } from '../../../base/errors.js';
import { isObject, set, type Json, type JsonObject, type ManifestText } from './read.js';

const REF = '$ref';
const MOST_DEPTH = 300;
/** Holds values of a user's configuration: nothing in it is a reference. */
const VERBATIM = 'config_overrides';

/** A manifest without references and definitions; streams that cannot be resolved are left out, and named. */
export interface Resolved {
  root: JsonObject;
  faults: Map<string, ConfigError>;
}

/**
 * Objects that several places name are shared, so a chain of references cannot swell. Throws ConfigError where a fault
 * is no stream's.
 */
export function resolveReferences(text: ManifestText): Resolved {
  const { root } = text;
  const resolver = new Resolver(text);
  const faults = new Map<string, ConfigError>();
  const stream = (node: Json, near: object): Json[] => {
    try {
      return [resolver.resolve(node, 2, near)];
    } catch (error) {
      resolver.forgetChain();
      const name = nameIn(root, node);
      if (!(error instanceof ConfigError) || name === undefined) throw error;
      faults.set(name, error);
      return [];
    }
  };
  const { definitions: _, streams, ...rest } = root;
  const made = resolver.resolve(rest, 0, undefined) as JsonObject;
  if (Array.isArray(streams)) made['streams'] = streams.flatMap((node) => stream(node, streams));
  else if (streams !== undefined) made['streams'] = resolver.resolve(streams, 1, root);
  return { root: made, faults };
}

class Resolver {
  private readonly resolved = new Map<string, Json>();
  private readonly done = new Map<object, Json>();
  /** References that are being resolved, each within the one before. */
  private readonly open: string[] = [];

  constructor(private readonly text: ManifestText) {}

  /** What was begun when a fault ended it. */
  forgetChain(): void {
    this.open.length = 0;
  }

  resolve(node: Json, depth: number, near: object | undefined): Json {
    if (typeof node === 'string') return node.startsWith('#/') ? this.lookUp(node, near) : node;
    if (node === null || typeof node !== 'object') return node;
    const known = this.done.get(node);
    if (known !== undefined) return known;
    if (depth > MOST_DEPTH)
      this.fail('', node, 'the manifest is nested too deeply', 'manifest_depth', `more than ${MOST_DEPTH} levels`);
    const made = Array.isArray(node)
      ? node.map((item) => this.resolve(item, depth + 1, node))
      : this.resolveObject(node, depth);
    const { origins } = this.text;
    const origin = origins.get(node);
    if (origin && made !== null && typeof made === 'object' && !origins.has(made)) origins.set(made, origin);
    this.done.set(node, made);
    return made;
  }

  private resolveObject(node: JsonObject, depth: number): Json {
    const own: JsonObject = {};
    for (const [key, value] of Object.entries(node))
      if (key !== REF) set(own, key, key === VERBATIM ? value : this.resolve(value, depth + 1, node));
    if (!Object.hasOwn(node, REF)) return own;
    const base = this.baseOf(node[REF] ?? null, node, depth);
    return isObject(base) ? overlaid(base, own) : base;
  }

  private baseOf(reference: Json, node: JsonObject, depth: number): Json {
    if (typeof reference !== 'string') return this.resolve(reference, depth + 1, node);
    return reference.startsWith('#/')
      ? this.lookUp(reference, node)
      : this.fail(reference, node, 'a reference has the wrong form', 'manifest_ref_form', reference);
  }

  private lookUp(reference: string, near: object | undefined): Json {
    const { open, resolved } = this;
    const known = resolved.get(reference);
    if (known !== undefined) return known;
    const begun = open.indexOf(reference);
    const circle = [...open.slice(begun), reference].join(' -> ');
    if (begun >= 0) this.fail(reference, near, 'references go in a circle', 'manifest_ref_cycle', circle);
    if (open.length >= MOST_DEPTH)
      this.fail(reference, near, 'references go too deep', 'manifest_ref_depth', `more than ${MOST_DEPTH} in a chain`);
    const at = valueAt(this.text.root, reference);
    if (at === undefined) this.fail(reference, near, 'a reference names nothing', 'manifest_ref_missing', reference);
    open.push(reference);
    const value = this.resolve(at!, 0, near); // fail throws
    open.pop();
    resolved.set(reference, value);
    return value;
  }

  private fail(reference: string, near: object | undefined, message: string, code: string, found: string): never {
    const { file, origins } = this.text;
    const origin = near && origins.get(near);
    throw new ConfigError(message, {
      code,
      place: origin ? `${file}:${origin.line} (${origin.path})` : file,
      expected: 'a reference like #/definitions/name to something in this manifest',
      found: found || reference,
      next: 'correct the reference',
    });
  }
}

/** The name of a stream that cannot be resolved, as far as its own references tell. */
function nameIn(root: JsonObject, node: Json | undefined, depth = 0): string | undefined {
  if (depth > MOST_DEPTH) return undefined;
  if (typeof node === 'string') return node.startsWith('#/') ? nameIn(root, valueAt(root, node), depth + 1) : undefined;
  if (!isObject(node)) return undefined;
  const { name, $parameters: parameters } = node;
  if (typeof name === 'string') return name;
  if (isObject(parameters) && typeof parameters['name'] === 'string') return parameters['name'];
  return nameIn(root, node[REF], depth + 1);
}

/** What a reference names; a key may itself contain a slash: the longest one that exists is taken. */
function valueAt(root: JsonObject, reference: string): Json | undefined {
  let at: Json | undefined = root;
  let rest = reference.slice(2);
  while (rest !== '' && at !== undefined) {
    if (isObject(at) && Object.hasOwn(at, rest)) return at[rest];
    const slash = rest.indexOf('/');
    const head = slash < 0 ? rest : rest.slice(0, slash);
    rest = slash < 0 ? '' : rest.slice(slash + 1);
    at =
      isObject(at) && Object.hasOwn(at, head)
        ? at[head]
        : Array.isArray(at) && /^\d+$/.test(head)
          ? at[Number(head)]
          : undefined;
  }
  return at;
}

function overlaid(base: JsonObject, own: JsonObject): JsonObject {
  const made: JsonObject = {};
  for (const each of [base, own]) for (const [key, value] of Object.entries(each)) set(made, key, value);
  return made;
}
