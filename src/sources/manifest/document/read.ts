/** A manifest's text as plain values, each object knowing where it was written. */
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { ConfigError } from '../../../base/errors.js';
import { LIMITS } from '../../../base/bounds.js';
import { plainScalar, taggedScalar } from './scalars.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** Where an object or list of a manifest was written. */
export interface Origin {
  line: number;
  path: string;
}

export type Origins = WeakMap<object, Origin>;

export interface ManifestText {
  root: JsonObject;
  origins: Origins;
  file: string;
}

/** YAML 1.1, as Python reads it; dates stay texts. Throws ConfigError. */
export function readManifest(text: string, file: string): ManifestText {
  if (text.length > LIMITS.manifestBytes) {
    throw new ConfigError('the manifest is too large', {
      code: 'manifest_too_large',
      place: file,
      expected: `at most ${LIMITS.manifestBytes / 1e6} MB`,
      found: `${(text.length / 1e6).toFixed(1)} MB`,
      next: 'check that this is a manifest; schemas can be kept in files beside it',
    });
  }
  const lines = new LineCounter();
  const document = parsed(text, lines);
  const [problem] = document.errors;
  if (problem) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw new ConfigError('the manifest is not valid YAML', {
      code: 'manifest_yaml',
      place: `${file}:${line}:${col}`,
      expected: 'YAML',
      found: problem.message.split('\n')[0],
      next: 'mend the line',
    });
  }
  const origins: Origins = new WeakMap();
  const root = new Converter(document, origins, lines, file).value(document.contents, '', 0);
  if (root === null || typeof root !== 'object' || Array.isArray(root)) {
    throw new ConfigError('the manifest is not a mapping', {
      code: 'manifest_shape',
      place: file,
      expected: 'version, check, streams …',
      found: Array.isArray(root) ? 'a list' : root === null ? 'nothing' : typeof root,
      next: 'check that this is the manifest.yaml of a connector',
    });
  }
  return { root, origins, file };
}

/** What a text stands for in YAML, as Python reads it; undefined where it is none. */
export function readYaml(text: string): Json | undefined {
  const lines = new LineCounter();
  const document = parsed(text, lines);
  if (document.errors.length > 0) return undefined;
  try {
    return new Converter(document, new WeakMap(), lines, '').value(document.contents, '', 0);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

function parsed(text: string, lineCounter: LineCounter): Document {
  return parseDocument(text, {
    version: '1.1',
    // Words are told apart in scalars.ts.
    schema: 'failsafe',
    uniqueKeys: false,
    lineCounter,
    logLevel: 'error',
  });
}

const MOST_DEPTH = 200;

class Converter {
  /** Aliases share the value of what they name. */
  private readonly values = new Map<Node, Json>();

  constructor(
    private readonly document: Document,
    private readonly origins: Origins,
    private readonly lines: LineCounter,
    private readonly file: string,
  ) {}

  value(node: unknown, path: string, depth: number): Json {
    if (depth > MOST_DEPTH)
      throw new ConfigError('the manifest is nested too deeply', {
        code: 'manifest_depth',
        place: `${this.file} (${path.slice(0, 120)})`,
        expected: `at most ${MOST_DEPTH} levels`,
        found: 'more',
      });
    if (isScalar(node)) {
      const found = this.scalar(node, path);
      return typeof found === 'bigint' ? Number(found) : found;
    }
    if (isAlias(node)) {
      const named = node.resolve(this.document);
      if (named === undefined) throw this.fault(node, path, 'an anchor of this name before it', `*${node.source}`);
      return this.value(named, path, depth + 1);
    }
    if (!isMap(node) && !isSeq(node)) return null;
    const known = this.values.get(node);
    if (known !== undefined) return known;
    const made: Json[] | JsonObject = isSeq(node) ? [] : {};
    this.origins.set(made, { line: node.range ? this.lines.linePos(node.range[0]).line : 0, path });
    this.values.set(node, made);
    if (isSeq(node))
      for (const [index, item] of node.items.entries())
        (made as Json[]).push(this.value(item, `${path}[${index}]`, depth + 1));
    else if (isMap(node)) this.entries(made as JsonObject, node, path, depth);
    return made;
  }

  private scalar(node: Scalar, path: string): null | boolean | number | bigint | string {
    const word = typeof node.value === 'string' ? node.value : '';
    const isPlain = node.type === undefined || node.type === 'PLAIN';
    if (node.tag === undefined || node.tag === '?' || node.tag === '!') {
      if (!isPlain) return word;
      const found = plainScalar(word);
      // Words of YAML's own, which Python has nothing to make of either.
      if (found === undefined || word === '=' || word === '<<')
        throw this.fault(node, path, 'a value', `the plain word ${word}, which YAML keeps for itself`);
      return found;
    }
    const found = taggedScalar(word, node.tag);
    if (found === undefined)
      throw this.fault(node, path, 'a value that its tag names', `${node.tag} ${word.slice(0, 60)}`);
    return found;
  }

  /** Own keys win over merged ones, wherever they stand; of a key that comes twice, the last counts. */
  private entries(into: JsonObject, map: YAMLMap, path: string, depth: number): void {
    const own: [string, unknown][] = [];
    const merges: unknown[] = [];
    for (const { key, value } of map.items) {
      const isMerge = isScalar(key) && key.value === '<<' && key.type === 'PLAIN';
      if (isMerge) merges.push(value);
      else own.push([this.key(key, path, depth), value]);
    }
    for (const value of merges.toReversed()) this.merge(into, value, path, depth);
    for (const [key, node] of own) set(into, key, this.value(node, path === '' ? key : `${path}.${key}`, depth + 1));
  }

  private key(node: unknown, path: string, depth: number): string {
    const key = this.value(node, path, depth + 1);
    if (key !== null && typeof key === 'object') throw this.fault(node, path, 'a word as a key', 'a list or a mapping');
    return String(key);
  }

  /** Of several mappings in a list, the first wins; of several lists too. */
  private merge(into: JsonObject, node: unknown, path: string, depth: number): void {
    const value = this.value(node, `${path}.<<`, depth + 1);
    for (const merged of (Array.isArray(value) ? value : [value]).toReversed()) {
      if (!isObject(merged)) throw this.fault(node, path, 'a mapping after <<, or a list of them', String(merged));
      for (const [name, inner] of Object.entries(merged)) set(into, name, inner);
    }
  }

  private fault(node: unknown, path: string, expected: string, found: string): ConfigError {
    const at = isNode(node) && node.range ? `:${this.lines.linePos(node.range[0]).line}` : '';
    return new ConfigError('the manifest is not valid YAML', {
      code: 'manifest_yaml',
      place: `${this.file}${at} (${path.slice(0, 120)})`,
      expected,
      found,
      next: 'mend the line',
    });
  }
}

/** Assigns, also where the name is `__proto__`. */
export function set(into: JsonObject, key: string, value: Json): void {
  if (key === '__proto__')
    Object.defineProperty(into, key, { value, enumerable: true, writable: true, configurable: true });
  else into[key] = value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
