/** Runs small manifests against a scripted API on real HTTP, into files. */
import { readFileSync, existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../src/base/clock.js';
import type { Destination } from '../src/destinations/contract.js';
import { newRunId, openDestination, openSource, type ConnectionConfig } from '../src/wiring/compose.js';
import type { RunSummary } from '../src/engine/report/events.js';
import { runSync } from '../src/engine/run/sync.js';
import { startTestbed, type Testbed, type TestbedAnswer, type TestbedRequest } from '../src/testbed/index.js';
import { scratch } from './support.js';

export type Row = Record<string, unknown>;
export type Answer = (request: TestbedRequest & { path: string; query: Record<string, string>; json: Row }) => unknown;

export interface Scripted extends Testbed {
  /** What was asked for, in order: `GET /users?page=1`. */
  asked: string[];
}

/** An answer that is no plain 200 of JSON. */
export class Reply {
  constructor(
    readonly status: number,
    readonly body: unknown = {},
    readonly headers: Record<string, string> = {},
  ) {}
}

/** Each answer bears the headers of a wide limit, so that the gate does not hold a test up. */
export async function scripted(answer: Answer): Promise<Scripted> {
  const asked: string[] = [];
  const testbed = await startTestbed(
    {
      endpointOf: (url) => url.pathname,
      answer: (request): TestbedAnswer => {
        asked.push(`${request.method} ${request.url.pathname}${request.url.search}`);
        const query = Object.fromEntries(request.url.searchParams);
        let json: Row = {};
        try {
          json = JSON.parse(request.body ?? '{}') as Row;
        } catch {
          /* a form */
        }
        const made = answer({ ...request, path: request.url.pathname, query, json });
        const reply = made instanceof Reply ? made : new Reply(200, made);
        return {
          status: reply.status,
          body: typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body),
          headers: { date: new Date().toUTCString(), ...reply.headers },
        };
      },
    },
    { limit: 'intercom' },
  );
  return { ...testbed, asked };
}

export interface ManifestInput {
  manifest: string;
  /** Of the file, `source-NAME.yaml`. Default: test. */
  name?: string;
  /** What stands beside it: `components.headrace.yaml`. */
  described?: string;
  config?: Row;
  url?: string;
  streams?: string[];
  components?: string;
  /** Where rows go instead of files, and the connection's name there. */
  into?: { destination: Destination; connection: string };
  /** Folder for files, in the connection's own. */
  files?: string;
}

export interface ManifestRun {
  summary: RunSummary;
  rows: Record<string, Row[]>;
  config: Row;
  notes: string[];
}

/** A connection in a folder of its own; `sync` may be called again. */
export function manifestConnection(input: ManifestInput): {
  sync: (signal?: AbortSignal) => Promise<ManifestRun>;
  folder: string;
  drop: () => void;
} {
  const { folder, drop } = scratch();
  const file = path.join(folder, `source-${input.name ?? 'test'}.yaml`);
  const configFile = path.join(folder, 'config.json');
  writeFileSync(file, input.manifest);
  if (input.described !== undefined) writeFileSync(path.join(folder, 'components.headrace.yaml'), input.described);
  writeFileSync(configFile, JSON.stringify(input.config ?? {}));
  const sync = async (signal = new AbortController().signal): Promise<ManifestRun> => {
    const config = JSON.parse(readFileSync(configFile, 'utf8')) as Row;
    const connection: ConnectionConfig = {
      name: 'test',
      sourceConfigFile: configFile,
      dataDir: folder,
      destination: { type: 'ndjson', path: path.join(folder, 'out'), mode: 'upsert' },
      source: {
        connector: 'manifest',
        manifest: file,
        config,
        base_url: input.url,
        streams: input.streams,
        components: input.components,
        files: input.files && path.join(folder, input.files),
        exclude: [],
      },
    };
    const opened = await openSource(connection);
    const destination = input.into?.destination ?? (await openDestination(connection));
    try {
      const summary = await runSync({
        source: opened.source,
        destination,
        permits: opened.permits,
        gateStatus: opened.gateStatus,
        connection: input.into?.connection ?? 'test',
        runId: newRunId(),
        mode: 'upsert',
        clock: systemClock,
        signal,
      });
      const rows: Record<string, Row[]> = {};
      for (const stream of opened.source.streams) {
        const at = path.join(folder, 'out', `${stream.name}.ndjson`);
        if (existsSync(at))
          rows[stream.name] = readFileSync(at, 'utf8')
            .trim()
            .split('\n')
            .filter(Boolean)
            .map((line) =>
              Object.fromEntries(
                Object.entries(JSON.parse(line) as Row).filter(([key]) => !key.startsWith('_headrace')),
              ),
            );
      }
      return { summary, rows, config: JSON.parse(readFileSync(configFile, 'utf8')) as Row, notes: opened.notes };
    } finally {
      if (!input.into) await destination.close();
      await opened.source.close();
    }
  };
  return { sync, folder, drop };
}

/** A manifest around the streams given as YAML. */
export function manifestOf(streams: string, more = ''): string {
  return `version: 6.0.0\ntype: DeclarativeSource\ncheck: {type: CheckStream, stream_names: []}\nstreams:\n${streams.replaceAll(/^/gm, '  ')}\n${more}`;
}

/** One stream; `retriever` and `rest` are lines of YAML. */
export function streamOf(
  name: string,
  parts: {
    path?: string;
    requester?: string;
    retriever?: string | undefined;
    selector?: string;
    rest?: string | undefined;
  } = {},
): string {
  const lines = (text: string | undefined, indent: string) =>
    text ? `${text.trim().replaceAll(/^/gm, indent)}\n` : '';
  return `- type: DeclarativeStream
  name: ${name}
  primary_key: id
${lines(parts.rest, '  ')}  schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: [integer, "null"]}}}}
  retriever:
    type: SimpleRetriever
${lines(parts.retriever, '    ')}    record_selector:
      extractor: {field_path: [data]}
${lines(parts.selector, '      ')}    requester:
      url_base: https://api.test
      path: ${JSON.stringify(parts.path ?? name)}
${lines(parts.requester, '      ')}`;
}
