/** `${NAME}` and `${NAME:-default}` in headrace.yaml: read from the environment. */
import { ConfigError } from '../base/errors.js';
import { registerSecret, SECRET_NAME } from '../base/log.js';

type At = PropertyKey[];

/** References to variables that are not set. What needs one of them asks first, so that the rest works without. */
export class UnsetReferences {
  readonly #found: { at: At; name: string }[] = [];
  readonly #placeOf: (at: At) => string;

  constructor(placeOf: (at: At) => string) {
    this.#placeOf = placeOf;
  }

  add(at: At, name: string): void {
    this.#found.push({ at, name });
  }

  /** The references at or below this place. */
  below(at: At): { at: At; name: string }[] {
    return this.#found.filter((one) => at.every((key, i) => String(one.at[i]) === String(key)));
  }

  /** Throws a ConfigError where something at or below this place needs a variable that is not set. */
  assertNone(at: At): void {
    const fault = this.faultOf(at);
    if (fault) throw fault;
  }

  /** The error of the first of them. */
  faultOf(at: At): ConfigError | undefined {
    const first = this.below(at)[0];
    if (!first) return undefined;
    return new ConfigError(`environment variable ${first.name} is not set`, {
      code: 'env_missing',
      place: this.#placeOf(first.at),
      expected: `a value for ${first.name}`,
      found: 'none',
      next: `export ${first.name}=… and run again`,
    });
  }
}

/** The same with references replaced. A text whose variable is not set stays as it is, and is noted. */
export function resolveReferences(
  value: unknown,
  env: NodeJS.ProcessEnv,
  unset: UnsetReferences,
  at: At = [],
): unknown {
  if (typeof value === 'string') return resolveText(value, env, unset, at);
  if (Array.isArray(value)) return value.map((inner, i) => resolveReferences(inner, env, unset, [...at, i]));
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, resolveReferences(inner, env, unset, [...at, key])]),
    );
  return value;
}

function resolveText(text: string, env: NodeJS.ProcessEnv, unset: UnsetReferences, at: At): string {
  return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g, (written, name: string, fallback?: string) => {
    const found = env[name] || fallback;
    if (found === undefined) {
      unset.add(at, name);
      return written;
    }
    if (!SECRET_NAME.test(name) && !SECRET_NAME.test(String(at.at(-1)))) return found;
    // Read from a file, a key ends with the file's last line end, which no header carries.
    const secret = found.replace(/[\r\n]+$/, '');
    registerSecret(secret);
    return secret;
  });
}

/**
 * Takes out settings of the file whose variable is not set, as if they had been left out: of them nobody may read a
 * default before `assertNone`. A source keeps its texts, since its connector checks them where it is used.
 */
export function withoutUnset(raw: unknown, unset: UnsetReferences): void {
  for (const { at } of unset.below([])) {
    const depth = at[0] !== 'connections' ? 1 : at[2] === 'source' ? 0 : 3;
    const key = at[depth - 1];
    const parent = at.slice(0, depth - 1).reduce<unknown>((inner, name) => own(inner)?.[name as string], raw);
    if (depth > 0 && key !== undefined) delete own(parent)?.[key as string];
  }
}

const own = (value: unknown) =>
  value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
