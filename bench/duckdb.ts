/**
 * Into a DuckDB file: rows a second from pages in memory and over HTTP, dlt into DuckDB beside it (HEADRACE_DLT_PYTHON
 * names a Python that has it), and kills. --rows N (default 200,000), --kills N (default 100), --seed N.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { duckdbDestination } from '../src/destinations/duckdb/destination.js';
import { finish } from './lib/report.js';
import { storeBench } from './lib/store-bench.js';

const { values } = parseArgs({
  strict: false,
  options: { rows: { type: 'string' }, kills: { type: 'string' }, seed: { type: 'string' } },
});
const rows = Number(values['rows'] ?? 200_000);
const kills = Number(values['kills'] ?? 100);
const fileIn = (folder: string) => path.join(folder, 'stripe.duckdb');

const figures = await storeBench(
  {
    kind: 'duckdb',
    to: (folder) => `duckdb:${fileIn(folder)}`,
    open: (folder) => duckdbDestination(fileIn(folder), 'stripe'),
    ids: async (folder, stream) => {
      const destination = duckdbDestination(fileIn(folder), 'stripe');
      const result = await destination.query!(`select id from stripe.${stream}`, { write: false });
      return result.rows.map((row) => String(row['id']));
    },
  },
  rows,
  kills,
  Number(values['seed'] ?? 1),
);
finish({
  bench: 'duckdb',
  figures,
  targets: {
    appended_rows_per_second: { atLeast: 25_000 },
    ...(figures['times_dlt'] === undefined ? {} : { times_dlt: { atLeast: 5 } }),
    ...(kills === 0 ? {} : { rows_missing: { atMost: 0 }, rows_double: { atMost: 0 } }),
  },
});
