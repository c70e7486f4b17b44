// Fills a queue of pg-boss: `pg-boss-fill.mjs CONNECTION_JSON GROUPS TASKS_EACH`.
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [connection, groups, each] = process.argv.slice(2);
const { PgBoss } = await import(pathToFileURL(createRequire(path.join(process.cwd(), 'x.js')).resolve('pg-boss')).href);
const boss = new PgBoss({ ...JSON.parse(connection), max: 2, supervise: false, schedule: false });
await boss.start();
await boss.createQueue('bench', { retryLimit: 20, retryDelay: 0, expireInSeconds: 3600 });
// Groups in turn, as tasks of many tenants arrive: one group's jobs after another's would leave a fetch few that its
// group's cap lets through.
for (let n = 0; n < Number(each); n++)
  await boss.insert(
    'bench',
    Array.from({ length: Number(groups) }, (_, group) => ({ data: {}, group: { id: `g${group}` } })),
  );
await boss.stop({ graceful: false });
process.exit(0);
