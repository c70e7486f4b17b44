/**
 * headrace airbyte: a manifest as a source of the Airbyte protocol. Nothing but messages goes to stdout, one a line.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../../base/clock.js';
import { newRunId } from '../../wiring/compose.js';
import {
  airbyteCatalog,
  airbyteSpecification,
  airbyteTarget,
  loadManifest,
  openConnector,
  readConfigFile,
  streamsWithFiles,
  type OpenedConnector,
} from '../../wiring/compose-manifest.js';
import { LIMITS } from '../../base/bounds.js';
import { ConfigError, describeError, EXIT, HeadraceError, messageOf } from '../../base/errors.js';
import { readInputFile } from '../../base/input-file.js';
import { redact } from '../../base/log.js';
import type { Progress, RunEvent } from '../../engine/report/events.js';
import { runSync } from '../../engine/run/sync.js';
import type { AirbyteMessage, AirbyteStreamState, FailureType } from '../../sources/manifest/airbyte/messages.js';
import { parseConfiguredCatalog } from '../../sources/manifest/airbyte/configured-catalog.js';
import { rateLimitedStatus } from '../../sources/manifest/airbyte/stream-status.js';
import type { Stream } from '../../sources/contract.js';
import { VERSION } from '../../base/version.js';
import { pipeTo } from '../pipe-out.js';
import { onStop } from '../signals.js';
import { note, out } from '../terminal/output.js';

interface Flags {
  manifest?: string;
  config?: string;
  catalog?: string;
  state?: string;
  components?: string;
  baseUrl?: string;
  debug?: boolean;
  out?: string;
}

const platform = pipeTo('platform', 'see what it says; then read again with the last state that it stored');

/** `secret`: the platform is meant to have it, as a renewed refresh token. */
async function send(message: AirbyteMessage, secret = false): Promise<void> {
  const text = JSON.stringify(message);
  await platform.write(`${secret ? text : redact(text)}\n`);
}

/** Beside what is waited for, which fails too where the platform has ended. */
function aside(sent: Promise<void>): void {
  void sent.catch(() => {});
}

const failureOf = (error: unknown): FailureType =>
  error instanceof HeadraceError
    ? error.exitCode === EXIT.usage
      ? 'config_error'
      : error.name === 'RetriableError'
        ? 'transient_error'
        : 'system_error'
    : 'system_error';

async function sendError(error: unknown, debug: boolean, stream?: string): Promise<void> {
  const message = messageOf(error);
  await send({
    type: 'TRACE',
    trace: {
      type: 'ERROR',
      emitted_at: systemClock.now(),
      error: {
        message,
        internal_message: describeError(error, debug),
        failure_type: failureOf(error),
        ...(stream === undefined ? {} : { stream_descriptor: { name: stream } }),
      },
    },
  });
}

/** What goes wrong is a message too, and an exit code. */
async function guarded(debug: boolean, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    platform.check();
    await sendError(error, debug);
    return EXIT.failed;
  }
}

export function spec(_: unknown, flags: Flags): Promise<number> {
  return guarded(flags.debug ?? false, async () => {
    await send({ type: 'SPEC', spec: airbyteSpecification(loadManifest(needed(flags.manifest, '--manifest'))) });
    return EXIT.complete;
  });
}

export async function check(_: unknown, flags: Flags): Promise<number> {
  try {
    const opened = await open(flags);
    try {
      await opened.source.check(new AbortController().signal);
    } finally {
      await opened.source.close();
    }
    await send({ type: 'CONNECTION_STATUS', connectionStatus: { status: 'SUCCEEDED' } });
  } catch (error) {
    await send({
      type: 'CONNECTION_STATUS',
      connectionStatus: { status: 'FAILED', message: describeError(error, flags.debug ?? false) },
    });
  }
  return EXIT.complete;
}

export function discover(_: unknown, flags: Flags): Promise<number> {
  return guarded(flags.debug ?? false, async () => {
    const opened = await open(flags);
    await send({ type: 'CATALOG', catalog: { streams: airbyteCatalog(opened) } });
    await opened.source.close();
    return EXIT.complete;
  });
}

export function read(_: unknown, flags: Flags): Promise<number> {
  return guarded(flags.debug ?? false, async () => {
    needed(flags.config, '--config');
    const place = needed(flags.catalog, '--catalog');
    const catalog = parseConfiguredCatalog(readJson(place, '--catalog'), place);
    if (catalog.streams.length === 0) return EXIT.complete;
    const states = flags.state === undefined ? [] : statesOf(readJson(flags.state, '--state'), flags.state);
    const controller = new AbortController();
    // Until the process ends: a platform that ended is an error of the read, not a reader that has seen enough.
    onStop({ first: () => controller.abort() });
    const withFiles = streamsWithFiles(catalog);
    const opened = await open(
      flags,
      catalog.streams.map(({ stream }) => stream.name),
      withFiles.length > 0 ? { folder: stagingFolder(), streams: withFiles } : undefined,
    );
    try {
      for (const message of opened.notes) await send({ type: 'LOG', log: { level: 'WARN', message } });
      const summary = await runSync({
        source: opened.source,
        destination: airbyteTarget(opened, catalog, states, platform),
        permits: opened.permits,
        gateStatus: opened.gateStatus,
        connection: 'airbyte',
        runId: newRunId(),
        mode: 'append',
        // The platform has checked, and a stream that may not be read says so itself.
        account: Promise.resolve({
          id: opened.source.name,
          createdMs: undefined,
          serverTimeMs: systemClock.now(),
        }),
        clock: systemClock,
        signal: controller.signal,
        emit: (event) => aside(tell(event, new Set(catalog.streams.map(({ stream }) => stream.name)))),
        onProgress: (snapshot) => {
          let seconds = 0;
          opened.stopTelling = everySecond(() => {
            tellLimits(snapshot());
            if (seconds++ % ESTIMATE_EVERY_SECONDS === 0) tellEstimates(snapshot(), opened.source.streams);
          });
        },
      });
      platform.check();
      for (const problem of summary.problems)
        await send({
          type: 'TRACE',
          trace: {
            type: 'ERROR',
            emitted_at: systemClock.now(),
            error: {
              message: problem.message,
              internal_message: `${problem.code}: ${problem.message}${problem.next ? `; ${problem.next}` : ''}`,
              failure_type: problem.status === 'skipped' ? 'config_error' : 'system_error',
              stream_descriptor: { name: problem.stream },
            },
          },
        });
      for (const message of summary.notes) await send({ type: 'LOG', log: { level: 'INFO', message } });
      if (summary.outcome === 'paused') return EXIT.paused;
      return summary.problems.length > 0 ? EXIT.failed : EXIT.complete;
    } finally {
      opened.stopTelling?.();
      await opened.source.close();
    }
  });
}

const ESTIMATE_EVERY_SECONDS = 10;
const STAGING = '/staging/files';

function everySecond(work: () => void): () => void {
  let cancel = () => {};
  const next = () => {
    cancel = systemClock.after(1000, () => {
      work();
      next();
    });
  };
  next();
  return () => cancel();
}

/** Rows to expect of the streams that are being read, for platforms that show how far a sync is. */
function tellEstimates(progress: Progress, streams: Stream[]): void {
  for (const { name, status, rows, expectedPages } of progress.streams) {
    const division = streams.find((stream) => stream.name === name && stream.stored)?.division;
    if (status === 'reading' && division && expectedPages > 0)
      aside(
        send({
          type: 'TRACE',
          trace: {
            type: 'ESTIMATE',
            emitted_at: systemClock.now(),
            estimate: {
              name,
              type: 'STREAM',
              row_estimate: Math.ceil(rows + expectedPages * (division.kind === 'slices' ? 1 : division.pageRows)),
            },
          },
        }),
      );
  }
}

/** Streams that a limit of the API holds up, and until when. */
function tellLimits({ waits, streams }: Progress): void {
  const now = systemClock.now();
  for (const wait of waits.filter(({ limit }) => limit !== undefined)) {
    for (const { name, status } of streams)
      if (status === 'reading')
        aside(platform.write(`${JSON.stringify(rateLimitedStatus(name, now, now + wait.ms))}\n`));
  }
}

const STATUS = {
  reading: 'STARTED',
  complete: 'COMPLETE',
  paused: 'INCOMPLETE',
  failed: 'INCOMPLETE',
  skipped: 'INCOMPLETE',
} as const;
const running = new Set<string>();

async function tell(event: RunEvent, streams: Set<string>): Promise<void> {
  const status = async (name: string, value: 'STARTED' | 'RUNNING' | 'COMPLETE' | 'INCOMPLETE') =>
    send({
      type: 'TRACE',
      trace: {
        type: 'STREAM_STATUS',
        emitted_at: systemClock.now(),
        stream_status: { stream_descriptor: { name }, status: value },
      },
    });
  if (event.type === 'stream' && streams.has(event.stream) && event.status in STATUS)
    await status(event.stream, STATUS[event.status as keyof typeof STATUS]);
  if (event.type === 'committed' && streams.has(event.stream) && !running.has(event.stream)) {
    running.add(event.stream);
    await status(event.stream, 'RUNNING');
  }
}

/** Where a platform looks for files: the folder that it names, or Airbyte's own default. */
function stagingFolder(): string {
  return (
    process.env['AIRBYTE_STAGING_DIRECTORY'] ??
    (existsSync(STAGING) ? STAGING : path.join(tmpdir(), 'airbyte-file-transfer'))
  );
}

async function open(
  flags: Flags,
  streams?: string[],
  files?: { folder: string; streams: string[] },
): Promise<OpenedConnector & { stopTelling?: () => void }> {
  return openConnector({
    manifest: needed(flags.manifest, '--manifest'),
    config: readConfigFile(needed(flags.config, '--config')),
    components: flags.components,
    baseUrl: flags.baseUrl,
    streams,
    files,
    proves: false,
    onConfigChange: (config) =>
      aside(
        send(
          {
            type: 'CONTROL',
            control: { type: 'CONNECTOR_CONFIG', emitted_at: systemClock.now(), connectorConfig: { config } },
          },
          true,
        ),
      ),
  });
}

/** What is missing is told as any other fault is: to the platform, by a message. */
function needed(value: string | undefined, flag: string): string {
  if (value !== undefined) return value;
  throw new ConfigError(`${flag} is missing`, {
    code: 'option_missing',
    place: flag,
    expected: `${flag} FILE`,
    found: 'nothing',
    next: 'see headrace airbyte --help',
  });
}

function readJson(file: string, flag: string): Record<string, unknown> | unknown[] {
  try {
    return JSON.parse(readInputFile(file, LIMITS.stateFileBytes).toString('utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new ConfigError(`${flag} cannot be read`, {
      code: 'bad_file',
      place: file,
      expected: 'JSON',
      found: messageOf(error).slice(0, 160),
      next: 'check the path and the file',
    });
  }
}

/** A list of state messages, one message, or the old form of a mapping by stream. */
function statesOf(found: unknown, file: string): AirbyteStreamState[] {
  const list = Array.isArray(found) ? found : [found];
  return list.flatMap((item): AirbyteStreamState[] => {
    const message = item as {
      type?: string;
      stream?: AirbyteStreamState;
      state?: { stream?: AirbyteStreamState };
      data?: Record<string, unknown>;
      global?: { stream_states?: AirbyteStreamState[] };
    };
    if (message.stream?.stream_descriptor) return [message.stream];
    if (message.state?.stream?.stream_descriptor) return [message.state.stream];
    if (Array.isArray(message.global?.stream_states)) return message.global.stream_states;
    const legacy = message.data ?? (message.type === undefined ? (item as Record<string, unknown>) : undefined);
    if (legacy && Object.values(legacy).every((value) => typeof value === 'object' && value !== null))
      return Object.entries(legacy).map(([name, state]) => ({
        stream_descriptor: { name },
        stream_state: state as Record<string, unknown>,
      }));
    throw new ConfigError('the state is of no known form', {
      code: 'bad_state',
      place: file,
      expected: '[{"type": "STREAM", "stream": {…}}]',
      found: JSON.stringify(item).slice(0, 120),
    });
  });
}

/** Writes a folder from which a platform can run the manifest: the manifest, an executable, a Dockerfile. */
export async function build([manifest]: (string | undefined)[], flags: Flags): Promise<number> {
  const loaded = loadManifest(manifest!);
  const folder = path.resolve(flags.out ?? `${loaded.name}-headrace`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'manifest.yaml'), readFileSync(loaded.file));
  const executable = path.join(folder, loaded.name);
  writeFileSync(
    executable,
    `#!/bin/sh\n# ${loaded.name} for platforms of the Airbyte protocol, run by Headrace ${VERSION}.\nhere=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)\ncommand=$1\nshift\nexec "\${HEADRACE:-headrace}" airbyte "$command" --manifest "$here/manifest.yaml" "$@"\n`,
  );
  chmodSync(executable, 0o755);
  writeFileSync(
    path.join(folder, 'Dockerfile'),
    `FROM node:20-slim\nRUN npm install --global headrace@${VERSION}\nCOPY manifest.yaml ${loaded.name} /airbyte/\nENV AIRBYTE_ENTRYPOINT=/airbyte/${loaded.name}\nENTRYPOINT ["/airbyte/${loaded.name}"]\nLABEL io.airbyte.name=${loaded.name}\nLABEL io.airbyte.version=${String(loaded.root['version'] ?? VERSION)}\n`,
  );
  out(folder);
  note(`${loaded.name}: ${executable} spec | check | discover | read; docker build ${folder}`);
  return EXIT.complete;
}
