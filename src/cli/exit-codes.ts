/** The exit code of a run, by how it ended. */
import { EXIT } from '../base/errors.js';
import type { RunOutcome } from '../engine/report/events.js';

export const EXIT_OF: Record<RunOutcome, number> = {
  complete: EXIT.complete,
  failed: EXIT.failed,
  partial: EXIT.partial,
  paused: EXIT.paused,
};
