/** headrace report: one HTML file of a run. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ConfigError, EXIT } from '../../base/errors.js';
import { VERSION } from '../../base/version.js';
import { runReport } from '../../runs/report/report.js';
import { openCoordination, type CoordinationFlags } from '../../wiring/compose-scheduler.js';
import { json, note } from '../terminal/output.js';

type Flags = CoordinationFlags & { output?: string; json?: boolean };

export async function command([run]: [string | undefined], flags: Flags): Promise<number> {
  const { runs, close } = await openCoordination(flags, process.env);
  try {
    const id = run ?? (await runs.list({ limit: 1 }))[0]?.id;
    const page = id === undefined ? undefined : await runReport(runs, id, VERSION);
    if (id === undefined || page === undefined)
      throw new ConfigError(id === undefined ? 'no run is recorded yet' : `there is no run ${id}`, {
        code: 'unknown_run',
        place: 'RUN',
        expected: 'the id of a run',
        found: id ?? 'none',
        candidates: (await runs.list({ limit: 20 })).map((each) => each.id),
        next: 'runs of headrace sync are recorded in the PostgreSQL that they write to (--data-dir, --database); the dashboard lists those of its own, as does GET /api/v1/runs',
      });
    if (flags.output === '-') {
      process.stdout.write(page);
      return EXIT.complete;
    }
    const file = path.resolve(flags.output ?? `headrace-${id.replaceAll(/[^\w-]/g, '_')}.html`);
    write(file, page);
    if (flags.json) json({ type: 'report', run: id, file, bytes: Buffer.byteLength(page) });
    else note(`Wrote ${file}`);
    return EXIT.complete;
  } finally {
    await close();
  }
}

function write(file: string, page: string): void {
  try {
    writeFileSync(file, page);
  } catch (cause) {
    throw new ConfigError('the report cannot be written', {
      code: 'cannot_write',
      place: file,
      expected: 'a file in a folder that is there and can be written to',
      found: (cause as NodeJS.ErrnoException).code ?? 'an error',
      next: 'name another with --output, or - for the output',
      cause,
    });
  }
}
