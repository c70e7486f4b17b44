/**
 * How long a test waits for what must come. Nothing is asserted about time: a deadline only ends a test that would
 * hang, so it grows with how slow this machine is now, which is measured once, before the tests.
 */
/** What a quiet core of an ordinary laptop needs for the work below. */
const QUIET_MS = 40;
const ROUNDS = 5;
/** Slower than this, a run is better ended than waited for. */
const MOST = 20;
const VARIABLE = 'HEADRACE_TEST_SLOWNESS';

/** Times a quiet laptop's: at least 1. The slowest round counts, since load comes and goes. */
function measure(): number {
  const row = { id: 'cus_0001', created: 1_700_000_000, tags: ['a', 'b'], address: { city: 'Ulm', line: null } };
  let slowest = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = performance.now();
    for (let i = 0; i < 20_000; i++) row.created += (JSON.parse(JSON.stringify(row)) as typeof row).tags.length;
    slowest = Math.max(slowest, performance.now() - startedMs);
  }
  return Math.min(MOST, Math.max(1, slowest / QUIET_MS));
}

/** Measured by the first process of a run that asks; the others are told. */
export const SLOWNESS = Number((process.env[VARIABLE] ??= String(measure())));

/** Milliseconds on this machine, as it is now, that are at least so many on a quiet one. */
export function patience(ms: number): number {
  return Math.ceil(ms * SLOWNESS);
}

/** Looks again and again until there is something; how soon it comes is not asserted. */
export async function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { withinMs = patience(120_000), everyMs = 50, what = 'what was waited for' } = {},
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs)
      throw new Error(`${what} did not come about within ${Math.round(withinMs / 1000)} s`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
