/** What a task works on: a connection, opened by the wiring. */
import type { Destination } from '../../destinations/contract.js';
import type { GateStatus } from '../../gate/gate.js';
import type { Permits } from '../../engine/read/context.js';
import type { LimitKeeper } from '../../engine/run/limit-memory.js';
import type { WriteMode } from '../../base/catalog.js';
import type { Source } from '../../sources/contract.js';

export interface OpenedSource {
  source: Source;
  permits: Permits;
  gateStatus: () => GateStatus;
  limits: LimitKeeper;
  shareBudget: (destination: Destination, onError: (error: unknown) => void) => Promise<() => Promise<void>>;
}

export interface ConnectionAccess {
  name: string;
  mode: WriteMode;
  newRunId: () => string;
  /** `streams`: only these, and the parents that they need. */
  openSource: (streams?: string[]) => Promise<OpenedSource>;
  openDestination: () => Promise<Destination>;
}

/** Opens both, and closes them whatever `work` does. */
export async function withOpened<T>(
  access: ConnectionAccess,
  streams: string[] | undefined,
  work: (opened: OpenedSource, destination: Destination) => Promise<T>,
): Promise<T> {
  const opened = await access.openSource(streams);
  try {
    const destination = await access.openDestination();
    try {
      return await work(opened, destination);
    } finally {
      await destination.close();
    }
  } finally {
    await opened.source.close();
  }
}
