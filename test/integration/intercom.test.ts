/**
 * Intercom by its manifest: the whole workspace into a real database, kills in the substream, and the Airbyte protocol.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { newRunId, openSource } from '../../src/wiring/compose.js';
import { runSync } from '../../src/engine/run/sync.js';
import { startIntercomTestbed } from '../../src/testbed/index.js';
import { manifestOf, scripted, streamOf } from '../manifest-support.js';
import { headrace, query, testDatabase, uniqueName } from '../support.js';
import { MANIFEST, CONFIG, ROWS, testbed, folder, configFile, partsOf, serveIntercom } from '../intercom-support.js';

serveIntercom();

test('the whole workspace, each row once, nothing rejected; a second run reads what is new', async () => {
  const schema = uniqueName();
  const destination = await testDatabase(schema);
  const sync = async () => {
    const opened = await openSource({
      name: 'intercom',
      source: { connector: 'manifest', manifest: MANIFEST, config: { ...CONFIG }, base_url: testbed.url, exclude: [] },
      destination: { type: 'embedded', mode: 'upsert' },
      dataDir: '',
    });
    try {
      return await runSync({
        source: opened.source,
        permits: opened.permits,
        gateStatus: opened.gateStatus,
        destination,
        connection: 'intercom',
        runId: newRunId(),
        mode: 'upsert',
        clock: systemClock,
        signal: new AbortController().signal,
      });
    } finally {
      await opened.source.close();
    }
  };
  const first = await sync();
  expect(first.problems).toEqual([]);
  expect(first).toMatchObject({ outcome: 'complete', rejections: 0 });
  const stored = await query(destination, `select id, conversation_id from "${schema}"."conversation_parts"`);
  expect(stored.map((row) => row['id']).toSorted()).toEqual(partsOf(testbed, ROWS));
  expect(stored.every((row) => String(row['id']).startsWith(String(row['conversation_id'])))).toBe(true);
  for (const [stream, rows] of [
    ['conversations', ROWS],
    ['contacts', ROWS],
    ['companies', 90],
    ['activity_logs', 180],
    ['tags', 40],
    ['company_segments', 30],
  ] as const)
    expect((await query(destination, `select count(*)::int n from "${schema}"."${stream}"`))[0]!['n'], stream).toBe(
      rows,
    );
  expect(testbed.api.refusedScrolls).toBe(0);
  const second = await sync();
  expect(second).toMatchObject({ outcome: 'complete', rejections: 0 });
  // Companies are scrolled once more, with their segments; conversations and their parts are not.
  expect(second.requests).toBeLessThan(150);
  expect((await query(destination, `select count(*)::int n from "${schema}"."conversation_parts"`))[0]!['n']).toBe(
    stored.length,
  );
  await destination.close();
});

test('a schema is a hint: values of other types widen their column, a key that it leaves out is one, odd schemas are taken', async () => {
  const server = await scripted(() => ({
    data: [
      { id: 1, n: 5, flag: true, odd: { a: 1 }, list: [1], text: 'x' },
      { id: 'two', n: 'five', flag: 'yes', odd: 'plain', list: 'none', text: 7, more: null },
      { id: 3, n: 2.5, flag: 0, text: { deep: [1] } },
    ],
  }));
  const schema = uniqueName();
  const destination = await testDatabase(schema);
  const file = path.join(folder, 'source-odd.yaml');
  writeFileSync(
    file,
    manifestOf(
      streamOf('odd').replace(
        'properties: {id: {type: [integer, "null"]}}',
        'properties: {n: {type: integer}, flag: {type: boolean}, odd: {oneOf: [{type: object}, {type: string}]}, list: {type: array}, text: {type: [string, "null"], format: date-time}, any: true}',
      ),
    ),
  );
  const opened = await openSource({
    name: 'odd',
    source: { connector: 'manifest', manifest: file, config: {}, base_url: server.url, exclude: [] },
    destination: { type: 'embedded', mode: 'upsert' },
    dataDir: '',
  });
  const summary = await runSync({
    source: opened.source,
    permits: opened.permits,
    gateStatus: opened.gateStatus,
    destination,
    connection: 'odd',
    runId: newRunId(),
    mode: 'upsert',
    clock: systemClock,
    signal: new AbortController().signal,
  });
  expect(summary.outcome).toBe('complete');
  const rows = await query(
    destination,
    `select id, n::text, flag::text, odd, list, text from "${schema}".odd order by id`,
  );
  expect(rows).toEqual([
    { id: '1', n: '5', flag: 'true', odd: { a: 1 }, list: [1], text: 'x' },
    { id: '3', n: '2.5', flag: '0', odd: null, list: null, text: '{"deep":[1]}' },
    { id: 'two', n: 'five', flag: 'yes', odd: 'plain', list: 'none', text: '7' },
  ]);
  await opened.source.close();
  await destination.close();
  await server.close();
});

test('a stream without a key that is read again has the rows of the last reading, once', async () => {
  let rows = [{ n: 1 }, { n: 2 }, { n: 2 }];
  const server = await scripted(() => ({ data: rows }));
  const schema = uniqueName();
  const destination = await testDatabase(schema);
  const file = path.join(folder, 'source-keyless.yaml');
  writeFileSync(file, manifestOf(streamOf('plain').replace('  primary_key: id\n', '')));
  const sync = async () => {
    const opened = await openSource({
      name: 'plain',
      source: { connector: 'manifest', manifest: file, config: {}, base_url: server.url, exclude: [] },
      destination: { type: 'embedded', mode: 'upsert' },
      dataDir: '',
    });
    const summary = await runSync({
      source: opened.source,
      permits: opened.permits,
      gateStatus: opened.gateStatus,
      destination,
      connection: 'plain',
      runId: newRunId(),
      mode: 'upsert',
      clock: systemClock,
      signal: new AbortController().signal,
    });
    await opened.source.close();
    return [
      summary.outcome,
      (await query(destination, `select n::int from "${schema}".plain order by n`)).map((row) => row['n']),
    ];
  };
  expect(await sync()).toEqual(['complete', [1, 2, 2]]);
  expect(await sync()).toEqual(['complete', [1, 2, 2]]);
  rows = [{ n: 2 }, { n: 3 }];
  expect(await sync()).toEqual(['complete', [2, 3]]);
  await destination.close();
  await server.close();
});

test('killed in the substream again and again: nothing missing, nothing double', async () => {
  const bed = await startIntercomTestbed({ rows: 400, latency: { medianMs: 20 }, limit: 'intercom' });
  const name = uniqueName();
  const dataDir = path.join(folder, name);
  const args = [
    'sync',
    '--manifest',
    MANIFEST,
    '--source-config',
    configFile,
    '--base-url',
    bed.url,
    '--streams',
    'conversation_parts',
    '--data-dir',
    dataDir,
    '-q',
  ];
  // Each attempt gets further: killed after so many requests, at whatever it does with their answers.
  for (const most of [30, 60, 90, 120]) {
    const until = bed.stats().requests + most;
    const killed = await headrace(args, {
      signal: { name: 'SIGKILL', when: () => bed.stats().requests >= until },
    });
    expect(killed.code).toBeNull();
  }
  expect((await headrace(args)).code).toBe(0);
  const found = await headrace([
    'query',
    '--data-dir',
    dataDir,
    '--json',
    'select id from intercom.conversation_parts',
  ]);
  expect(
    found.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id)
      .toSorted(),
  ).toEqual(partsOf(bed, 400));
  await bed.close();
});
