import { afterAll, describe, test } from 'vitest';
import { destinationConformance } from '../../src/destinations/conformance.js';
import { ndjsonDestination } from '../../src/destinations/ndjson/destination.js';
import { scratch, testDatabase } from '../support.js';
import { connect } from '../../src/postgres/connect.js';

describe('postgres', () => {
  for (const { name, run } of destinationConformance(async () => {
    const destination = await testDatabase();
    const client = await connect(destination.target, 'test');
    for (const table of ['state', 'counter', 'run', 'seen'])
      await client.query(`delete from _headrace.${table} where connection = 'conformance'`).catch(() => {});
    await client.end();
    return destination;
  }))
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
