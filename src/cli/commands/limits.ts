/** headrace limits */
import { systemClock } from '../../base/clock.js';
import {
  newRunId,
  openDestination,
  openSource,
  resolveConnection,
  type ConnectionFlags,
} from '../../wiring/compose.js';
import type { Destination } from '../../destinations/contract.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import type { LimitView } from '../../gate/gate.js';
import { storedLimits, type StoredLimits } from '../../engine/run/limit-memory.js';
import { count } from '../../base/plural.js';
import { json, note, out, table } from '../terminal/output.js';
import { rateText } from '../terminal/progress-view.js';

/** A smaller share of bad answers is what the gate begins with. */
const LEAST_NOISE = 0.001;

const FOUND: Record<LimitView['knownBy'], string> = {
  headers: 'stated in headers',
  body: 'stated in the body of answers',
  rejections: 'learned from rejections',
  prior: 'usual for this API, not met yet',
  memory: 'learned by an earlier run',
  searching: 'still being sought',
  configuration: 'set in the configuration',
};

/**
 * What is known of each limit of the connection's credential, from the last run, else what the connector starts from.
 */
export async function command(
  [name]: (string | undefined)[],
  flags: ConnectionFlags & { json?: boolean },
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env);
  const { source, gateStatus, limits } = await openSource(connection);
  try {
    const destination = await openDestination(connection);
    let stored: StoredLimits | undefined;
    try {
      stored = await lastKnown(destination, connection.name, limits.fingerprint);
    } finally {
      await destination.close();
    }
    const views = stored?.views ?? gateStatus().limits;
    if (flags.json) {
      for (const view of views)
        json({
          type: 'limit',
          connection: connection.name,
          savedAt: stored?.savedAt,
          ...view,
          perSecond: Number.isFinite(view.perSecond) ? view.perSecond : null,
        });
      return EXIT.complete;
    }
    if (!stored) note('No run has used this credential yet: this is what the first one starts from.');
    out(
      table(
        [
          'limit',
          'counts',
          'rate',
          'quota',
          'left',
          'at once',
          'rejections',
          'overloaded',
          'how it is known',
          'what explains bad answers',
        ],
        views.map(row),
      ),
    );
    if (stored) note(`as of ${stored.savedAt}; the next run begins there`);
    return EXIT.complete;
  } finally {
    await source.close();
  }
}

function row(view: LimitView): (string | number)[] {
  const window =
    view.windowMs === undefined || view.windowMs === 0
      ? ''
      : ` in ${view.windowMs >= 3_600_000 ? `${Number((view.windowMs / 3_600_000).toPrecision(3))} h` : `${Number((view.windowMs / 1000).toPrecision(3))} s`}`;
  return [
    view.name,
    view.scope === 'endpoint' ? 'one endpoint' : 'all requests',
    Number.isFinite(view.perSecond) && view.knownBy !== 'searching' ? rateText(view.perSecond) : '',
    view.quota === undefined ? '' : `${count(view.quota)}${window}`,
    view.remaining === undefined ? '' : count(view.remaining),
    view.concurrency ?? '',
    view.rejections,
    view.overloads ?? '',
    FOUND[view.knownBy],
    explained(view),
  ];
}

/** What bad answers that named no cause are put down to; empty where there were none. */
function explained(view: LimitView): string {
  const { explanation, explainedForMs, noise, doubted } = view;
  if (doubted !== undefined) return `not believed: ${doubted}`;
  if (explanation === undefined || explanation === 'none') return '';
  const since = explainedForMs === undefined ? '' : `, for ${Math.round(explainedForMs / 1000)} s`;
  const share =
    noise === undefined || noise < LEAST_NOISE ? '' : `; ${Number((100 * noise).toPrecision(2))}% bad for no reason`;
  return `${explanation}${since}${share}${grounds(view)}`;
}

/** Good and bad on each side, and what was believed before. */
function grounds({ above, below, tried }: LimitView): string {
  const side = ({ rate, bad, all }: NonNullable<LimitView['above']>) =>
    `${count(Math.round(bad))} of ${count(Math.round(all))} bad at ${rateText(rate)}`;
  const sides = [above, below].filter((found) => found !== undefined && found.all >= 1).map((found) => side(found!));
  return `${sides.length > 0 ? `; ${sides.join(', ')}` : ''}${tried ? `; before: ${tried.join(', ')}` : ''}`;
}

/** Undefined where the destination knows nothing of Headrace yet, or of this credential. */
async function lastKnown(
  destination: Destination,
  connection: string,
  fingerprint: string,
): Promise<StoredLimits | undefined> {
  try {
    const session = await destination.open({
      connection,
      runId: newRunId(),
      streams: [],
      readOnly: true,
      startedMs: systemClock.now(),
    });
    try {
      return storedLimits(await session.loadState()).get(fingerprint);
    } finally {
      await session.close();
    }
  } catch (error) {
    if (error instanceof ConfigError && error.code === 'no_state') return undefined;
    throw error;
  }
}
