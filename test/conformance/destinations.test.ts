import path from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { destinationConformance } from '../../src/destinations/conformance.js';
import { duckdbDestination } from '../../src/destinations/duckdb/destination.js';
import { ndjsonDestination } from '../../src/destinations/ndjson/destination.js';
import { parquetDestination } from '../../src/destinations/parquet/destination.js';
import { S3Store } from '../../src/destinations/parquet/s3.js';
import { FolderStore } from '../../src/destinations/parquet/store.js';
import { postgresDestination } from '../../src/destinations/postgres/destination.js';
import { connect } from '../../src/postgres/connect.js';
import { ACCESS_KEY, SECRET, startBucket, type TestBucket } from '../s3-server.js';
import { slicing } from '../sliced-support.js';
import { freshDatabase, scratch, uniqueName, urlOf } from '../support.js';

describe('postgres', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database?.drop());

  const make = async () => {
    const client = await connect(database.target, 'test');
    for (const table of ['state', 'counter', 'run', 'seen'])
      await client.query(`delete from _headrace.${table} where connection = 'conformance'`).catch(() => {});
    await client.end();
    return postgresDestination(urlOf(database.target), uniqueName());
  };
  for (const { name, run } of destinationConformance(make)) test.sequential(name, run);

  // The same rows, out of the bytes that they came in.
  for (const { name, run } of destinationConformance(async () => slicing(await make())))
    test.sequential(`by slices: ${name}`, run);
});

describe('duckdb', () => {
  const drops: (() => void)[] = [];
  afterAll(() => drops.forEach((drop) => drop()));
  const file = () => {
    const { folder, drop } = scratch();
    drops.push(drop);
    return path.join(folder, 'x.duckdb');
  };
  for (const { name, run } of destinationConformance(async () => duckdbDestination(file(), 'shop')))
    test.sequential(name, run);
});

describe('parquet in a folder', () => {
  const drops: (() => void)[] = [];
  afterAll(() => drops.forEach((drop) => drop()));
  const folder = () => {
    const { folder: made, drop } = scratch();
    drops.push(drop);
    return made;
  };
  for (const { name, run } of destinationConformance(async () => parquetDestination(new FolderStore(folder()))))
    test.sequential(name, run);
});

describe('parquet in a bucket', () => {
  let bucket: TestBucket;
  beforeAll(async () => {
    bucket = await startBucket();
  });
  afterAll(() => bucket.close());
  const store = () =>
    new S3Store(
      {
        url: `s3://lake/${uniqueName()}`,
        endpoint: bucket.endpoint,
        region: 'eu-west-1',
        accessKeyId: ACCESS_KEY,
        secretAccessKey: SECRET,
      },
      systemClock,
    );
  for (const { name, run } of destinationConformance(async () => parquetDestination(store())))
    test.sequential(name, run);
});

describe('ndjson', () => {
  const drops: (() => void)[] = [];
  afterAll(() => drops.forEach((drop) => drop()));
  const folder = () => {
    const { folder: made, drop } = scratch();
    drops.push(drop);
    return made;
  };
  for (const { name, run } of destinationConformance(async () => ndjsonDestination(folder())))
    test.sequential(name, run);
});
