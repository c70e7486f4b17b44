/** What a watchdog looks at in a run, and how it tells what each part waits for. */
import type { Clock } from '../../base/clock.js';
import type { GateStatus } from '../../gate/gate.js';
import type { Permits } from '../read/context.js';
import type { ByteBudget } from '../read/memory.js';
import { RangeReader } from '../read/range-reader.js';
import type { ProgressMeter } from '../report/progress.js';
import type { Lender } from '../share/lender.js';
import type { Writer } from '../write/writer.js';
import type { StreamRun } from './stream-run.js';
import { Watchdog } from './watchdog.js';

interface WatchedParts {
  meter: ProgressMeter;
  writer: Writer;
  memory: ByteBudget;
  lender: Lender | undefined;
}

/** `tell` is given what stands still; `stop` ends the run so that it can be resumed. */
export function watchRun(
  { clock, gateStatus, permits }: { clock: Clock; gateStatus: () => GateStatus; permits: Permits },
  runs: ReadonlyMap<string, StreamRun>,
  { meter, writer, memory, lender }: WatchedParts,
  tell: (message: string) => void,
  stop: () => void,
): Watchdog {
  const isLent = () => reading().some(({ reader }) => reader instanceof RangeReader && reader.isShared);
  const reading = () => [...runs.values()].filter((run) => run.status === 'reading');
  return new Watchdog({
    clock,
    pulse: () => {
      const { requests, rejections } = gateStatus();
      return [
        requests,
        rejections,
        ...[...runs.values()].map((run) => `${run.status} ${run.rows} ${run.pages}`),
      ].join();
    },
    isWaiting: () =>
      meter.isWaiting() || (permits.waits?.() ?? []).length > 0 || (isLent() && lender?.isWatching === true),
    standing: () => [
      ...reading().map((run) => `${run.stream.name}: ${run.reader.standing()}`),
      `writer: ${writer.committing} commits under way`,
      `memory: ${memory.inUse} of ${memory.limit} bytes${memory.full ? ', pages wait for room' : ''}`,
      ...reading().flatMap(({ stream, reader }) =>
        reader instanceof RangeReader && reader.isShared ? [`${stream.name}: parts are lent to other workers`] : [],
      ),
    ],
    tell,
    stop,
  });
}
