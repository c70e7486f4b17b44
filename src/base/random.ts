/** Randomness is an argument too: a seeded generator replays any simulation, test or simulated server from its seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, bound). */
  integer(bound: number): number;
}

/** Mulberry32: 32 bits of state, good enough for simulations and jitter, never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { next, integer: (bound) => Math.floor(next() * bound) };
}

/** Seeded from the system, for jitter in production. */
export function systemRandom(): Random {
  return seededRandom(Math.floor(Math.random() * 2 ** 32));
}

/** A 32-bit hash of two integers (murmur finaliser): the same inputs give the same output on every machine. */
export function hash32(a: number, b: number): number {
  let h = (Math.imul(a | 0, 0x9e3779b1) ^ Math.imul(b | 0, 0x85ebca6b)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** hash32 of a string (FNV-1a, then mixed with the seed). */
export function hashString(text: string, seed = 0): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return hash32(h, seed);
}
