/** What a watchdog looks at in a part of a run that another process leads. */
import type { Clock } from '../../base/clock.js';
import type { DestinationSession } from '../../destinations/contract.js';
import type { GateStatus } from '../../gate/gate.js';
import type { Permits } from '../read/context.js';
import type { RangeReader } from '../read/range-reader.js';
import type { SliceReader } from '../read/slice-reader.js';
import type { Writer } from '../write/writer.js';
import { Watchdog } from '../run/watchdog.js';

interface Around {
  clock: Clock;
  permits: Permits;
  gateStatus?: (() => GateStatus) | undefined;
  session: Pick<DestinationSession, 'waits'>;
  tell: (message: string) => void;
}

/** One that stands still is given back, and its leader reads it on. `stop` ends its readers. */
export function watchPart(
  readers: readonly (RangeReader | SliceReader)[],
  writer: Writer,
  { clock, permits, gateStatus, session, tell }: Around,
  stop: () => void,
): Watchdog {
  return new Watchdog({
    clock,
    pulse: () => {
      const gate = gateStatus?.();
      return [gate?.requests, gate?.rejections, ...readers.map(({ rows, pages }) => `${rows} ${pages}`)].join();
    },
    isWaiting: () => {
      const waiting = gateStatus?.().waiting;
      const isHeld = waiting !== undefined && waiting.untilMs > clock.monotonic();
      return isHeld || (permits.waits?.() ?? []).length > 0 || (session.waits?.() ?? []).length > 0;
    },
    standing: () => [
      ...readers.map((reader) => `${reader.stream.name}: ${reader.standing()}`),
      `writer: ${writer.committing} commits under way`,
    ],
    tell,
    stop,
  });
}
