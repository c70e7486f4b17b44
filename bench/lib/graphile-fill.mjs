// Fills graphile-worker's table: `graphile-fill.mjs CONNECTION_JSON JOBS`, run in a folder where it is installed. Jobs
// without a queue, which is its fastest: no cap is kept.
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.cwd(), 'x.js'));
const { makeWorkerUtils } = require('graphile-worker');
const pg = require('pg');

const [connection, jobs] = process.argv.slice(2);
const pgPool = new pg.Pool({ ...JSON.parse(connection), max: 2 });
pgPool.on('error', () => {}).on('connect', (client) => client.on('error', () => {}));
const utils = await makeWorkerUtils({ pgPool });
await utils.migrate();
for (let left = Number(jobs); left > 0; left -= 5000)
  await utils.addJobs(Array.from({ length: Math.min(5000, left) }, () => ({ identifier: 'bench', payload: {} })));
await utils.release();
await pgPool.end();
process.exit(0);
