/**
 * What the row of a shared budget holds, in virtual time. Its bytes are most of what a simulated process costs, so only
 * every so often is the state encoded and decoded as in the row of a real database; else it is copied.
 */
import { decode, encode, type SharedState } from '../../src/gate/shared/budget-store.js';

/** One state in so many goes the whole way. */
const ENCODED_EVERY = 16;

export class StoredState {
  private kept = 0;

  /** The state as it is now, whatever becomes of it; each call of what is returned makes another copy. */
  keep(state: SharedState): () => SharedState | undefined {
    if (this.kept++ % ENCODED_EVERY === 0) {
      const bytes = encode(state);
      return () => decode(bytes);
    }
    const copy = copyOf(state);
    return () => copyOf(copy);
  }
}

/** As a structured clone, but instances keep their class. */
export function copyOf<T>(value: T, seen = new Map<object, object>()): T {
  if (typeof value === 'function' || typeof value === 'symbol')
    throw new TypeError(`a state may not hold a ${typeof value}`);
  if (typeof value !== 'object' || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known as T;
  if (ArrayBuffer.isView(value)) return remember((value as unknown as Uint8Array).slice());
  if (Array.isArray(value)) {
    // As where it is revived: of objects or of none.
    if (typeof value[0] !== 'object') return remember([...value]);
    const made = remember([] as unknown[]) as unknown[];
    for (const inner of value) made.push(copyOf(inner, seen));
    return made as T;
  }
  if (value instanceof Map) {
    const made = remember(new Map()) as Map<unknown, unknown>;
    for (const [key, inner] of value) made.set(key, isPlain(inner) ? inner : copyOf(inner, seen));
    return made as T;
  }
  if (value instanceof Set) return remember(new Set(value));
  const made = remember(Object.create(Object.getPrototypeOf(value) as object)) as Record<string, unknown>;
  for (const key of Object.keys(value)) {
    const inner = (value as Record<string, unknown>)[key];
    made[key] = isPlain(inner) ? inner : copyOf(inner, seen);
  }
  return made as T;

  function remember(made: object): T {
    seen.set(value as object, made);
    return made as T;
  }
}

/** Asked before each call: most of what a state holds are numbers. */
const isPlain = (value: unknown) =>
  typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean' || value === undefined;
