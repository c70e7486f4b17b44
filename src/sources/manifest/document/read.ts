/** A manifest's text as plain values, each object knowing where it was written. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { ConfigError } from '../../../base/errors.js';
import { LIMITS } from '../../../base/bounds.js';

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
  const document = parseDocument(text, {
    version: '1.1',
    merge: true,
    uniqueKeys: false,
    lineCounter: lines,
    customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:timestamp'),
    logLevel: 'error',
  });
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
      found: Array.isArray(root) ? 'a list' : typeof root,
      next: 'check that this is the manifest.yaml of a connector',
    });
  }
  return { root, origins, file };
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
      const { value } = node;
      return typeof value === 'bigint' ? Number(value) : ((value ?? null) as Json);
    }
    if (isAlias(node)) return this.value(node.resolve(this.document) ?? null, path, depth + 1);
    if (!isMap(node) && !isSeq(node)) return null;
    const known = this.values.get(node);
    if (known !== undefined) return known;
    const made: Json[] | JsonObject = isSeq(node) ? [] : {};
    this.origins.set(made, { line: node.range ? this.lines.linePos(node.range[0]).line : 0, path });
    this.values.set(node, made);
    if (isSeq(node))
      for (const [index, item] of node.items.entries())
        (made as Json[]).push(this.value(item, `${path}[${index}]`, depth + 1));
    else if (isMap(node))
      for (const pair of node.items)
        this.entry(made as JsonObject, String(this.value(pair.key, path, depth + 1)), pair.value, path, depth);
    return made;
  }

  private entry(into: JsonObject, key: string, node: unknown, path: string, depth: number): void {
    const value = this.value(node, path === '' ? key : `${path}.${key}`, depth + 1);
    if (key !== '<<') {
      set(into, key, value);
      return;
    }
    for (const merged of Array.isArray(value) ? value : [value]) {
      if (merged !== null && typeof merged === 'object' && !Array.isArray(merged))
        for (const [name, inner] of Object.entries(merged)) if (!Object.hasOwn(into, name)) set(into, name, inner);
    }
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
