/**
 * What Headrace knows by name: connectors, and destinations. Those that come with it are listed once, in the registry's
 * own file; others are loaded from a module of the user's or from an installed package. Such code runs only where a
 * file or the command line names it: whoever asks for it hands over the module, and a connection made through the API
 * has none.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ConfigError, HeadraceError, messageOf } from './errors.js';
import { listed } from './nearest.js';

export interface Named {
  /** a-z, 0-9, - and _. */
  name: string;
  title: string;
}

export interface RegistryOptions<T extends Named> {
  /** What it holds, in one word: `source`, `destination`. Packages are named `headrace-source-NAME`. */
  kind: string;
  /** As errors name it: `connector`. */
  word: string;
  /** Those that come with Headrace. */
  builtIn: readonly T[];
  /** What modules import as `headrace/KIND`: this very copy, so that errors and schemas are the same classes. */
  entry: () => Promise<object>;
  /** What a module must export, told where it exports something else. */
  define: string;
  isOne: (value: unknown) => value is T;
  /** What is wrong with a descriptor, where something is. */
  fault?: (one: T) => string | undefined;
}

/** A module of the user's: a file, or the folder of an installed package. */
export interface OwnModule {
  at: string;
  /** As it is written: a path, or the name of a package. */
  name: string;
}

const MODULE = /\.[cm]?[jt]s$/;
const NAME = /^[a-z][a-z0-9_-]{0,59}$/;

/** The text names a file of the user's own, not something registered. */
export function isModulePath(text: string): boolean {
  return MODULE.test(text) && (/^\.{1,2}[\\/]/.test(text) || path.isAbsolute(text));
}

export class Registry<T extends Named> {
  private readonly known = new Map<string, T>();
  private readonly loaded = new Map<string, Promise<T>>();
  private more: () => readonly T[] = () => [];

  constructor(private readonly options: RegistryOptions<T>) {
    for (const each of options.builtIn) this.add(each);
  }

  /** Makes one known by its name, for a program that embeds Headrace. Throws ConfigError where the name is taken. */
  add(one: T): void {
    if (this.known.has(one.name))
      throw new ConfigError(`there are two ${this.options.word}s ${one.name}`, {
        code: 'name_taken',
        place: one.name,
        expected: 'a name of its own for each',
        found: one.name,
      });
    const fault = this.options.fault?.(one);
    if (fault !== undefined)
      throw new ConfigError(`the ${this.options.word} ${one.name} cannot be used`, {
        code: `${this.options.word}_failed`,
        place: one.name,
        found: fault,
        next: 'correct its descriptor',
      });
    this.known.set(one.name, one);
  }

  /** Those that come with Headrace. */
  list(): T[] {
    return [...this.known.values()];
  }

  /** Where more are looked for, each time that a name is: what the user has put into the data folder. */
  extend(more: () => readonly T[]): void {
    this.more = more;
  }

  /** Those of `extend`, but for names that are taken. */
  added(): T[] {
    return this.more().filter(({ name }) => !this.known.has(name));
  }

  find(name: string): T | undefined {
    return this.known.get(name) ?? this.more().find((each) => each.name === name);
  }

  /** Where a name that is not registered leads: undefined, to nothing. `folder`: of the file that writes it. */
  locate(name: string, folder: string): OwnModule | undefined {
    if (this.find(name)) return undefined;
    if (isModulePath(name)) return { at: path.resolve(folder, name), name };
    const prefix = `headrace-${this.options.kind}-`;
    const own = name.startsWith(prefix) ? name : `${prefix}${name}`;
    if (!NAME.test(name)) return undefined;
    const at = nodeModulesOf(folder)
      .map((modules) => path.join(modules, own))
      .find((candidate) => existsSync(path.join(candidate, 'package.json')));
    return at === undefined ? undefined : { at, name };
  }

  /** What a name may be, for errors. */
  expectation(): string {
    const { kind } = this.options;
    return [...this.known.keys(), `a module such as ./my-${kind}.ts`, `a package headrace-${kind}-NAME`].join(', ');
  }

  /** Installed packages that hold one, as seen from a folder. */
  installed(folder: string): OwnModule[] {
    const prefix = `headrace-${this.options.kind}-`;
    const found = new Map<string, OwnModule>();
    for (const modules of nodeModulesOf(folder))
      for (const entry of existsSync(modules) ? readdirSync(modules).toSorted() : [])
        if (entry.startsWith(prefix) && !found.has(entry) && existsSync(path.join(modules, entry, 'package.json')))
          found.set(entry, { at: path.join(modules, entry), name: entry.slice(prefix.length) });
    return [...found.values()];
  }

  /** What is registered under a name, or what a module exports. Runs the module's code. */
  async get(name: string, module: OwnModule | undefined): Promise<T> {
    const found = module ? await this.load(module) : this.find(name);
    if (found) return found;
    throw this.unknown(name);
  }

  /** The error for a name that leads to nothing. */
  unknown(name: string, place?: string, builtInOnly = false): ConfigError {
    const { kind, word } = this.options;
    if (builtInOnly)
      return new ConfigError(`unknown ${word} ${name.slice(0, 80)}`, {
        code: `unknown_${word}`,
        place,
        expected: listed(this.known.keys()),
        found: name.slice(0, 80),
        candidates: this.names(),
        next: `one of your own is named in headrace.yaml, not through the API`,
      });
    return new ConfigError(`unknown ${word} ${name}`, {
      code: `unknown_${word}`,
      place,
      expected: this.expectation(),
      found: name,
      candidates: this.names(),
      next: NAME.test(name)
        ? `correct the name, or npm install headrace-${kind}-${name}`
        : 'correct the name; paths begin with ./',
    });
  }

  private names(): string[] {
    return [...this.list(), ...this.more()].map(({ name }) => name);
  }

  private load(module: OwnModule): Promise<T> {
    let loading = this.loaded.get(module.at);
    if (!loading) {
      loading = this.import(module);
      this.loaded.set(module.at, loading);
    }
    return loading;
  }

  private async import({ at, name }: OwnModule): Promise<T> {
    const { kind, word, entry, define, isOne } = this.options;
    const fault = (found: string, cause?: unknown) =>
      new ConfigError(`the ${word} ${name} cannot be loaded`, {
        code: `${word}_failed`,
        place: cause instanceof HeadraceError ? (cause.place ?? at) : at,
        expected: `a module with export default ${define}`,
        found,
        next: 'correct the module (docs/guides/write-a-connector.md)',
        cause,
      });
    if (!existsSync(at)) throw fault('no such file');
    let exported: Record<string, unknown>;
    try {
      // Node 20 runs no TypeScript by itself.
      const { createJiti } = await import('jiti');
      const isFile = MODULE.test(at);
      const from = isFile ? at : path.join(at, '..', '..', 'package.json');
      const jiti = createJiti(from, { fsCache: false, virtualModules: { [`headrace/${kind}`]: await entry() } });
      exported = await jiti.import(isFile ? at : path.basename(at));
    } catch (error) {
      throw fault(reasonOf(error), error);
    }
    const one = [exported['default'], exported[kind]].find((value) => isOne(value));
    if (!one) throw fault(`exports: ${Object.keys(exported).join(', ') || 'none'}`);
    const wrong = this.options.fault?.(one);
    if (wrong !== undefined) throw fault(wrong);
    return one;
  }
}

/** In one line: a parser's message goes on with where it stopped, and an excerpt. */
function reasonOf(error: unknown): string {
  const [first = '', ...more] = messageOf(error).split('\n');
  const place = more.map((line) => /:(\d+):(\d+)\)?\s*$/.exec(line)).find((found) => found !== null);
  const message = `${first.trim().slice(0, 300)}${place ? `, line ${place[1]}, column ${place[2]}` : ''}`;
  return error instanceof HeadraceError && error.found !== undefined ? `${message}: ${error.found}` : message;
}

/** Folders where Node.js looks for packages, the nearest first. */
function nodeModulesOf(folder: string): string[] {
  const found: string[] = [];
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    found.push(path.join(at, 'node_modules'));
    if (path.dirname(at) === at) return found;
  }
}
