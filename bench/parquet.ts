/**
 * Into Parquet files in a folder: rows a second from pages in memory and over HTTP, dlt into Parquet beside it
 * (HEADRACE_DLT_PYTHON names a Python that has it), and kills. --rows N (default 200,000), --kills N (default 100),
 * --seed N.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parquetDestination } from '../src/destinations/parquet/destination.js';
import { FolderStore } from '../src/destinations/parquet/store.js';
import { finish } from './lib/report.js';
import { storeBench } from './lib/store-bench.js';

const { values } = parseArgs({
  strict: false,
  options: { rows: { type: 'string' }, kills: { type: 'string' }, seed: { type: 'string' } },
});
const rows = Number(values['rows'] ?? 200_000);
const kills = Number(values['kills'] ?? 100);
const lake = (folder: string) => path.join(folder, 'lake');

const figures = await storeBench(
  {
    kind: 'parquet',
    to: (folder) => `parquet:${lake(folder)}`,
    open: (folder) => parquetDestination(new FolderStore(lake(folder))),
    ids: async (folder, stream) => {
      const destination = parquetDestination(new FolderStore(lake(folder)));
      // Each row as it lies there: the view of a stream would hide what is double.
      const result = await destination.query!(
        `select id from read_parquet('${lake(folder)}/stripe/${stream}/*.parquet', union_by_name = true)`,
        { write: false },
      );
      return result.rows.map((row) => String(row['id']));
    },
  },
  rows,
  kills,
  Number(values['seed'] ?? 1),
);
finish({
  bench: 'parquet',
  figures,
  targets: {
    ...(figures['times_dlt'] === undefined ? {} : { times_dlt: { atLeast: 5 } }),
    ...(kills === 0 ? {} : { rows_missing: { atMost: 0 }, rows_double: { atMost: 0 } }),
  },
});
