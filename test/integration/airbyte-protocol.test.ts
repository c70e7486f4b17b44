/** A manifest run as a source of the Airbyte protocol, in processes of its own. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { startIntercomTestbed } from '../../src/testbed/index.js';
import { HoldingClock } from '../holding-clock.js';
import { headrace, MAIN } from '../support.js';
import { MANIFEST, CONFIG, ROWS, testbed, folder, configFile, partsOf, serveIntercom } from '../intercom-support.js';

serveIntercom('intercom-raised');

describe('the Airbyte protocol', () => {
  interface Message {
    type: string;
    record?: { stream: string; data: Record<string, unknown> };
    state?: {
      type: string;
      stream: { stream_descriptor: { name: string }; stream_state: Record<string, unknown> };
      sourceStats: { recordCount: number };
    };
    trace?: {
      type: string;
      stream_status?: { stream_descriptor: { name: string }; status: string };
      error?: { message: string; failure_type: string };
    };
    connectionStatus?: { status: string; message?: string };
    catalog?: { streams: { name: string; supported_sync_modes: string[] }[] };
    spec?: { connectionSpecification: { required: string[] } };
  }
  const base = () => ['--manifest', MANIFEST, '--config', configFile, '--base-url', testbed.url];
  const messages = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Message);
  const catalogFile = path.join(folder, 'catalog.json');
  const stateFile = path.join(folder, 'state.json');
  const records = (list: Message[], stream: string) =>
    list.filter((message) => message.record?.stream === stream).map((message) => message.record!.data['id']);
  const states = (list: Message[]) => [
    ...new Map(
      list
        .filter((message) => message.state)
        .map((message) => [message.state!.stream.stream_descriptor.name, message.state!]),
    ).values(),
  ];

  test('spec, check, discover', async () => {
    const spec = await headrace(['airbyte', 'spec', '--manifest', MANIFEST]);
    expect(messages(spec.stdout)[0]!.spec!.connectionSpecification.required).toEqual(['access_token', 'start_date']);
    const check = await headrace(['airbyte', 'check', ...base()]);
    expect([check.code, messages(check.stdout)]).toEqual([
      0,
      [{ type: 'CONNECTION_STATUS', connectionStatus: { status: 'SUCCEEDED' } }],
    ]);
    const wrong = path.join(folder, 'wrong.json');
    writeFileSync(wrong, JSON.stringify({ ...CONFIG, access_token: 'intercom-wrong-token' }));
    const failed = await headrace([
      'airbyte',
      'check',
      '--manifest',
      MANIFEST,
      '--config',
      wrong,
      '--base-url',
      testbed.url,
    ]);
    expect(messages(failed.stdout)[0]!.connectionStatus).toMatchObject({
      status: 'FAILED',
      message: expect.stringContaining('may not read this'),
    });
    expect(failed.stdout + failed.stderr).not.toContain('intercom-wrong-token');
    const discover = await headrace(['airbyte', 'discover', ...base()]);
    const { streams } = messages(discover.stdout)[0]!.catalog!;
    expect(streams.map(({ name }) => name)).toEqual([
      'tags',
      'contacts',
      'conversations',
      'conversation_parts',
      'companies',
      'company_segments',
      'activity_logs',
    ]);
    writeFileSync(
      catalogFile,
      JSON.stringify({
        streams: streams.map((stream) => ({
          stream,
          sync_mode: stream.supported_sync_modes.at(-1),
          destination_sync_mode: 'append',
        })),
      }),
    );
  });

  test("read: records, then states that count them; the next read goes on, from our state and from Airbyte's", async () => {
    const first = await headrace(['airbyte', 'read', ...base(), '--catalog', catalogFile]);
    const list = messages(first.stdout);
    expect([first.code, list.filter((message) => message.trace?.error)]).toEqual([0, []]);
    expect(records(list, 'conversation_parts').toSorted()).toEqual(partsOf(testbed, ROWS));
    expect(records(list, 'contacts')).toHaveLength(ROWS);
    const told = new Map<string, number>();
    for (const { state } of list)
      if (state)
        told.set(
          state.stream.stream_descriptor.name,
          (told.get(state.stream.stream_descriptor.name) ?? 0) + state.sourceStats.recordCount,
        );
    expect(Object.fromEntries(told)).toMatchObject({
      contacts: ROWS,
      conversations: ROWS,
      conversation_parts: partsOf(testbed, ROWS).length,
      tags: 40,
    });
    for (const name of ['contacts', 'conversation_parts', 'companies']) {
      const statuses = list
        .filter((message) => message.trace?.stream_status?.stream_descriptor.name === name)
        .map((message) => message.trace!.stream_status!.status);
      expect([statuses[0], statuses.at(-1)], name).toEqual(['STARTED', 'COMPLETE']);
      // Nothing of a stream comes after its last state.
      expect(list.findLastIndex((message) => message.record?.stream === name)).toBeLessThan(
        list.findLastIndex((message) => message.state?.stream.stream_descriptor.name === name),
      );
    }
    const last = states(list);
    expect(last.find((state) => state.stream.stream_descriptor.name === 'contacts')!.stream.stream_state).toMatchObject(
      { updated_at: expect.stringMatching(/^\d{10}$/) },
    );
    expect(
      last.find((state) => state.stream.stream_descriptor.name === 'conversation_parts')!.stream.stream_state,
    ).toMatchObject({
      use_global_cursor: false,
      state: { updated_at: expect.any(String) },
      states: expect.arrayContaining([
        { partition: expect.any(Object), cursor: { updated_at: expect.stringMatching(/^\d{10}$/) } },
      ]),
      parent_state: { conversations: { updated_at: expect.any(String) } },
    });
    expect(last.find((state) => state.stream.stream_descriptor.name === 'tags')!.stream.stream_state).toMatchObject({
      __ab_no_cursor_state_message: true,
    });
    for (const own of [true, false]) {
      const given = structuredClone(last);
      if (!own) for (const state of given) delete state.stream.stream_state['__headrace'];
      writeFileSync(stateFile, JSON.stringify(given));
      const again = await headrace(['airbyte', 'read', ...base(), '--catalog', catalogFile, '--state', stateFile]);
      const more = messages(again.stdout);
      expect(again.code).toBe(0);
      // The newest row comes again, as with Airbyte's own connectors, since what is listed late lies after it.
      const newest = (ids: unknown[], all: unknown[]) => ids.every((id) => all.includes(id)) && ids.length <= 1;
      for (const name of ['contacts', 'companies'])
        expect(newest(records(more, name), records(list, name)), name).toBe(true);
      expect(records(more, 'conversation_parts').length).toBeLessThanOrEqual(1);
      expect(records(more, 'tags')).toHaveLength(40);
    }
  });

  test('a state from Airbyte half-way through is taken over: older rows are left, newer ones come', async () => {
    const half = testbed.api.conversationAt(ROWS / 2).updatedAt;
    writeFileSync(
      stateFile,
      JSON.stringify([
        {
          type: 'STREAM',
          stream: { stream_descriptor: { name: 'conversations' }, stream_state: { updated_at: String(half) } },
        },
        {
          type: 'STREAM',
          stream: {
            stream_descriptor: { name: 'conversation_parts' },
            stream_state: {
              use_global_cursor: true,
              state: { updated_at: String(half) },
              parent_state: { conversations: { updated_at: String(half) } },
            },
          },
        },
      ]),
    );
    const only = path.join(folder, 'half.json');
    const { streams } = JSON.parse(readFileSync(catalogFile, 'utf8')) as { streams: { stream: { name: string } }[] };
    writeFileSync(
      only,
      JSON.stringify({ streams: streams.filter(({ stream }) => stream.name.startsWith('conversation')) }),
    );
    const ran = await headrace(['airbyte', 'read', ...base(), '--catalog', only, '--state', stateFile]);
    const conversations = records(messages(ran.stdout), 'conversations').map(Number);
    const expected = Array.from({ length: ROWS }, (_, i) => testbed.api.conversationAt(i))
      .filter(({ updatedAt }) => updatedAt >= half)
      .map(({ id }) => Number(id));
    expect(ran.code).toBe(0);
    for (const id of expected) expect(conversations).toContain(id);
    expect(conversations.length).toBeLessThan(expected.length + 20);
    // Parts that are older than their own cursor came with the sync that set it.
    const parts = Array.from({ length: ROWS }, (_, i) => testbed.api.conversationAt(i))
      .filter(({ updatedAt }) => updatedAt >= half)
      .flatMap(({ parts: own }) =>
        own.filter((part) => (part['updated_at'] as number) >= half).map((part) => part['id']),
      );
    expect(new Set(records(messages(ran.stdout), 'conversation_parts'))).toEqual(new Set(parts));
  });

  test('SIGTERM leaves valid states: two reads together have every record', async () => {
    const clock = new HoldingClock();
    const bed = await startIntercomTestbed({ rows: 600, latency: { medianMs: 30 }, limit: 'intercom-raised' }, clock);
    const args = [
      'airbyte',
      'read',
      '--manifest',
      MANIFEST,
      '--config',
      configFile,
      '--base-url',
      bed.url,
      '--catalog',
      catalogFile,
    ];
    clock.holdAfter(100);
    const stopped = await headrace(args, { signal: { name: 'SIGTERM', when: () => clock.isHolding } });
    expect(stopped.code).toBe(75);
    clock.release();
    const one = messages(stopped.stdout);
    writeFileSync(stateFile, JSON.stringify(states(one)));
    const rest = await headrace([...args, '--state', stateFile]);
    expect(rest.code).toBe(0);
    const two = messages(rest.stdout);
    // What a state did not tell of yet may come again, and nothing may be left out.
    expect(
      [...new Set([...records(one, 'conversation_parts'), ...records(two, 'conversation_parts')])].toSorted(),
    ).toEqual(partsOf(bed, 600));
    expect(new Set([...records(one, 'contacts'), ...records(two, 'contacts')]).size).toBe(600);
    await bed.close();
  });

  test('bad input is a message with its kind, and an exit code', async () => {
    const bad = path.join(folder, 'bad.json');
    writeFileSync(bad, JSON.stringify({ ...CONFIG, num_workers: 99 }));
    const ran = await headrace(['airbyte', 'read', '--manifest', MANIFEST, '--config', bad, '--catalog', catalogFile]);
    expect(ran.code).toBe(1);
    expect(messages(ran.stdout)[0]!.trace!.error).toMatchObject({
      failure_type: 'config_error',
      message: expect.stringContaining('num_workers'),
    });
    writeFileSync(
      bad,
      '[{"type": "STREAM", "stream": {"stream_descriptor": {"name": "contacts"}, "stream_state": {"elsewhere": 1}}}]',
    );
    const state = await headrace(['airbyte', 'read', ...base(), '--catalog', catalogFile, '--state', bad]);
    expect(messages(state.stdout).find((message) => message.trace?.error)!.trace!.error!.message).toContain(
      'state of stream contacts',
    );
  });

  test.each([
    [
      'a sync mode that there is not',
      '{"streams": [{"stream": {"name": "tags"}, "sync_mode": "sometimes"}]}',
      'sync_mode of tags',
    ],
    ['no sync mode', '{"streams": [{"stream": {"name": "tags"}}]}', 'sync_mode of tags'],
    ['no stream', '{"streams": [{"sync_mode": "full_refresh"}]}', 'streams[0].stream'],
    ['a list', '[]', 'expected: {"streams"'],
    ['null', 'null', 'expected: {"streams"'],
  ])('a catalog with %s is a config error', async (_, text, told) => {
    const bad = path.join(folder, 'bad-catalog.json');
    writeFileSync(bad, text);
    const ran = await headrace(['airbyte', 'read', ...base(), '--catalog', bad]);
    expect(ran.code).toBe(1);
    const { error } = messages(ran.stdout)[0]!.trace!;
    expect(error).toMatchObject({ failure_type: 'config_error', internal_message: expect.stringContaining(told) });
  });

  test('an empty catalog is nothing to do; what is missing of the command line is a message', async () => {
    const empty = path.join(folder, 'empty-catalog.json');
    writeFileSync(empty, '{"streams": []}');
    expect(await headrace(['airbyte', 'read', ...base(), '--catalog', empty])).toMatchObject({ code: 0, stdout: '' });
    for (const [missing, args] of [
      ['--config', ['read', '--manifest', MANIFEST, '--catalog', empty]],
      ['--catalog', ['read', ...base()]],
      ['--manifest', ['spec']],
    ] as const) {
      const ran = await headrace(['airbyte', ...args]);
      expect(ran.code).toBe(1);
      expect(messages(ran.stdout)[0]!.trace!.error).toMatchObject({
        failure_type: 'config_error',
        message: `${missing} is missing`,
      });
    }
  });

  test('a platform that ends is told to who looks, not as a fault of the program', async () => {
    const catalog = path.join(folder, 'one-stream.json');
    const stream = { name: 'contacts', json_schema: {}, supported_sync_modes: ['full_refresh'] };
    writeFileSync(
      catalog,
      JSON.stringify({ streams: [{ stream, sync_mode: 'full_refresh', destination_sync_mode: 'append' }] }),
    );
    const { code, stderr } = await new Promise<{ code: number | null; stderr: string }>((resolve) => {
      const child = spawn(process.execPath, [MAIN, 'airbyte', 'read', ...base(), '--catalog', catalog]);
      let text = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      child.stdout.once('data', () => child.stdout.destroy());
      child.once('close', (ended) => resolve({ code: ended, stderr: text }));
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/the platform ended before everything was handed over/);
    expect(stderr).not.toMatch(/EPIPE|unexpected|at file:/);
  });

  test('a folder that a platform can run', async () => {
    const at = path.join(folder, 'image');
    const built = await headrace(['airbyte', 'build', MANIFEST, '--out', at]);
    expect(built.code).toBe(0);
    expect(readFileSync(path.join(at, 'Dockerfile'), 'utf8')).toMatch(/FROM node:20[\s\S]*ENTRYPOINT/);
    const shim = path.join(folder, 'headrace');
    writeFileSync(shim, `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`, { mode: 0o755 });
    const run = await new Promise<string>((resolve) => {
      const child = spawn(path.join(at, 'source-intercom'), ['spec'], { env: { ...process.env, HEADRACE: shim } });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.once('close', () => resolve(text));
      child.once('error', (error) => resolve(String(error)));
    });
    expect(messages(run)[0]!.type).toBe('SPEC');
  });
});
