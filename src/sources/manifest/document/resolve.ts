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
export function resolveReferences({ root, origins, file }: ManifestText): Resolved {
  const resolved = new Map<string, Json>();
  const done = new Map<object, Json>();
  const open: string[] = [];

  const fail = (reference: string, near: object | undefined, message: string, code: string, found: string): never => {
    const origin = near && origins.get(near);
    throw new ConfigError(message, {
      code,
      place: origin ? `${file}:${origin.line} (${origin.path})` : file,
      expected: 'a reference like #/definitions/name to something in this manifest',
      found: found || reference,
      next: 'correct the reference',
    });
  };

  const lookUp = (reference: string, near: object | undefined): Json => {
    const known = resolved.get(reference);
    if (known !== undefined) return known;
    const begun = open.indexOf(reference);
    const circle = [...open.slice(begun), reference].join(' -> ');
    if (begun >= 0) fail(reference, near, 'references go in a circle', 'manifest_ref_cycle', circle);
    if (open.length >= MOST_DEPTH)
      fail(reference, near, 'references go too deep', 'manifest_ref_depth', `more than ${MOST_DEPTH} in a chain`);
    const at = valueAt(root, reference);
    if (at === undefined) fail(reference, near, 'a reference names nothing', 'manifest_ref_missing', reference);
    open.push(reference);
    const value = resolve(at!, 0, near);
    open.pop();
    resolved.set(reference, value);
    return value;
  };

  const resolve = (node: Json, depth: number, near: object | undefined): Json => {
    if (typeof node === 'string') return node.startsWith('#/') ? lookUp(node, near) : node;
    if (node === null || typeof node !== 'object') return node;
    const known = done.get(node);
    if (known !== undefined) return known;
    if (depth > MOST_DEPTH)
      fail('', node, 'the manifest is nested too deeply', 'manifest_depth', `more than ${MOST_DEPTH} levels`);
    let made: Json;
    if (Array.isArray(node)) made = node.map((item) => resolve(item, depth + 1, node));
    else {
      const own: JsonObject = {};
      for (const [key, value] of Object.entries(node))
        if (key !== REF) set(own, key, key === VERBATIM ? value : resolve(value, depth + 1, node));
      made = own;
      if (Object.hasOwn(node, REF)) {
        const reference = node[REF];
        const base =
          typeof reference === 'string' && reference.startsWith('#/')
            ? lookUp(reference, node)
            : typeof reference === 'string'
              ? fail(reference, node, 'a reference has the wrong form', 'manifest_ref_form', reference)
              : resolve(reference ?? null, depth + 1, node);
        made = isObject(base) ? overlaid(base, own) : base;
      }
    }
    const origin = origins.get(node);
    if (origin && made !== null && typeof made === 'object' && !origins.has(made)) origins.set(made, origin);
    done.set(node, made);
    return made;
  };

  const faults = new Map<string, ConfigError>();
  const stream = (node: Json, near: object): Json[] => {
    try {
      return [resolve(node, 2, near)];
    } catch (error) {
      open.length = 0;
      const name = nameIn(root, node);
      if (!(error instanceof ConfigError) || name === undefined) throw error;
      faults.set(name, error);
      return [];
    }
  };
  const { definitions: _, streams, ...rest } = root;
  const made = resolve(rest, 0, undefined) as JsonObject;
  if (Array.isArray(streams)) made['streams'] = streams.flatMap((node) => stream(node, streams));
  else if (streams !== undefined) made['streams'] = resolve(streams, 1, root);
  return { root: made, faults };
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
