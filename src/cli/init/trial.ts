/** What `headrace init` finds out before anything is written: whether the key works, and which streams there are. */
import { countOf } from '../../base/plural.js';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LIMITS } from '../../base/bounds.js';
import { planSync } from '../../engine/report/plan.js';
import type { Stream } from '../../sources/contract.js';
import { EXIT } from '../../base/errors.js';
import { onStop } from '../signals.js';
import { openSource, resolveConnection } from '../../wiring/compose.js';
import { followText } from '../commands/discover.js';
import { count } from '../../base/plural.js';

/** A stream that can be read, and what is known of it. */
export interface Offered {
  name: string;
  /** "about 12,000 rows; changes: by events". */
  about: string;
}

/** What came of it. */
export interface Trial {
  account: string;
  streams: Offered[];
}

/** A few requests a stream: this is a first look, `headrace plan` looks closer. */
const PROBES = 6;

/**
 * Opens the connection that a configuration describes and asks its API. `text` is of headrace.yaml, and lies beside the
 * file that is to be for as long as this takes, since paths are meant as seen from there. Undefined: it was stopped.
 * Throws what is wrong.
 */
export async function tryConnection(
  name: string,
  text: string,
  file: string,
  env: NodeJS.ProcessEnv,
): Promise<Trial | undefined> {
  const draft = path.join(path.dirname(path.resolve(file)), `.${path.basename(file)}.${process.pid}.draft`);
  const stopped = new AbortController();
  const settled = onStop({ first: () => stopped.abort(), again: () => process.exit(EXIT.interrupted) });
  writeFileSync(draft, text, { flag: 'wx', mode: 0o600 });
  try {
    const connection = await resolveConnection(name, { config: draft }, env);
    const { source, permits, gateStatus } = await openSource(connection);
    try {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(LIMITS.probeMs)]);
      const account = await source.check(signal);
      const plan = await planSync(source, permits, gateStatus().limitPerSecond, signal, PROBES);
      const rows = new Map(plan.streams.map((stream) => [stream.stream, stream]));
      if (stopped.signal.aborted) return undefined;
      const streams = source.streams
        .filter(({ stored }) => stored)
        .map((stream) => ({ name: stream.name, about: aboutOf(stream, rows.get(stream.name)) }));
      return { account: account.id, streams };
    } finally {
      await source.close();
    }
  } catch (error) {
    if (stopped.signal.aborted) return undefined;
    throw error;
  } finally {
    settled();
    rmSync(draft, { force: true });
  }
}

type Planned = Awaited<ReturnType<typeof planSync>>['streams'][number];

function aboutOf({ follow, primaryKey }: Stream, planned: Planned | undefined): string {
  const rounded = (value: number) => count(Number(value.toPrecision(2)));
  const { rows, range, exact = false, error } = planned ?? { rows: undefined };
  const said =
    error !== undefined
      ? error
      : range !== undefined
        ? `${rounded(range.low)} to ${rounded(range.high)} rows`
        : rows === undefined
          ? 'rows unknown'
          : exact
            ? countOf(rows, 'row')
            : `about ${rounded(rows)} rows`;
  const noKey = primaryKey.length === 0 ? ', no key' : '';
  return `${said}${noKey}; changes: ${followText(follow)}`;
}
