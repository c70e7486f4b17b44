/** headrace app */
import { openCoordination, type CoordinationFlags } from '../../wiring/compose-scheduler.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import { listApps } from '../../fleet/scheduler/overview.js';
import { count } from '../../base/plural.js';
import { json, note, out, table } from '../terminal/output.js';

type Flags = CoordinationFlags & { json?: boolean };

export async function list(_: unknown[], flags: Flags): Promise<number> {
  const coordination = await openCoordination(flags, process.env);
  try {
    const apps = await listApps(coordination.scheduler.pool);
    if (flags.json) for (const app of apps) json({ type: 'app', ...app });
    else if (apps.length === 0) note('No app yet: headrace serve makes those of headrace.yaml known.');
    else {
      out(
        table(
          ['app', 'limit', 'concurrency partition', 'cap', 'running', 'waiting', ''],
          apps.flatMap(({ app, rateLimit, frequencySeconds, partitions }) => {
            const limit = `${count(rateLimit)} in ${count(frequencySeconds)} s`;
            if (partitions.length === 0) return [[app, limit, '', '', '', '', '']];
            return partitions.map(({ partition, cap, running, waiting, paused }) => [
              app,
              limit,
              partition,
              cap,
              running,
              waiting,
              paused ? 'paused' : '',
            ]);
          }),
        ),
      );
    }
    return EXIT.complete;
  } finally {
    await coordination.close();
  }
}

export async function setLimit([app, limit]: [string, string], flags: Flags): Promise<number> {
  const parsed = parseLimit(limit);
  const coordination = await openCoordination(flags, process.env);
  try {
    const known = await listApps(coordination.scheduler.pool);
    if (!known.some((each) => each.app === app))
      throw new ConfigError(`there is no app ${app}`, {
        code: 'unknown_app',
        expected: known.map((each) => each.app).join(', ') || 'an app; start headrace serve once',
        found: app,
        next: 'see headrace app list',
      });
    const changed = await coordination.scheduler.setLimit(app, parsed);
    if (flags.json)
      json({
        type: 'limit_set',
        app,
        rateLimit: parsed.requests,
        frequencySeconds: parsed.frequencySeconds,
        ...changed,
      });
    else
      out(
        `${app}: at most ${changed.cap} tasks at once in each of ${changed.partitions} partitions, from the next claim on; ${changed.tasks} rows follow`,
      );
    if (changed.partitions > 0) return EXIT.complete;
    note(`No partition follows: no connection of ${app} is known yet. The limit holds for those to come.`);
    return EXIT.failed;
  } finally {
    await coordination.close();
  }
}

const SECONDS: Record<string, number> = {
  s: 1,
  sec: 1,
  second: 1,
  m: 60,
  min: 60,
  minute: 60,
  h: 3600,
  hour: 3600,
  d: 86_400,
  day: 86_400,
};

/** `100/s`, `10000/min`, `300000/day`, `600/10s`. */
function parseLimit(text: string): { requests: number; frequencySeconds: number } {
  const found = /^(\d{1,13})\/(\d{0,8})([a-z]+)$/i.exec(text.replaceAll('_', ''));
  const unit = found && SECONDS[found[3]!.toLowerCase()];
  if (!found || !unit)
    throw new ConfigError('the limit cannot be read', {
      code: 'bad_rate_limit',
      place: 'LIMIT',
      expected: 'requests and a time, such as 100/s, 10000/min, 600/10s or 300000/day',
      found: text,
    });
  return { requests: Number(found[1]), frequencySeconds: Number(found[2] || 1) * unit };
}
