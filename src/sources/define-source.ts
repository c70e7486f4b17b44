/** How the author of a connector writes one: its settings, its limits, and what opens its streams. */
import { z } from 'zod';
import { stringifyJson } from '../base/json.js';
import { SECRET_NAME, registerSecret } from '../base/log.js';
import { ConfigError, RetriableError } from '../base/errors.js';
import type { Clock } from '../base/clock.js';
import type { LimitFact } from '../gate/gate.js';
import { Admission } from '../http/admission.js';
import { LatencyMeter } from '../http/latency.js';
import type { Dialect } from '../http/dialects/dialect.js';
import { ceilingFields, ceilingSchema, ceilingsOf } from './ceilings.js';
import type { Connector, ConnectorParts, OpenedConnector, SourceSettings } from './connector.js';
import type { Account, ChangeStream, Stream } from './contract.js';
import { guardedCheck, guardedOpen, guardedPage } from './own-code.js';
import { SourceClient, type ClientOptions, type ClientParts } from './source-client.js';
import { listed } from '../base/nearest.js';

/** Settings as the author's own schemas and those of every source give them. */
export type SettingsOf<Shape extends z.ZodRawShape> = z.infer<z.ZodObject<Shape>> & SourceSettings;

/** A stream as its author writes it: `stored` is true unless said, and `endpoint` is its name. */
export type StreamDefinition = Omit<Stream, 'stored' | 'endpoint' | 'first'> &
  Partial<Pick<Stream, 'stored' | 'endpoint' | 'first'>>;

/** What a source is opened with. */
export interface SourceParts {
  /**
   * A client whose every attempt, retries included, passes the gate of the connection. Several share the gate. The
   * setting `base_url` of the connection takes the place of `baseUrl`.
   */
  client(options: ClientOptions): SourceClient;
  clock: Clock;
}

/** What a source is, once it is opened. */
export interface SourceBody {
  streams: StreamDefinition[];
  /** Events that tell what changed, where the API has them. */
  changes?: ChangeStream;
  /** Proves the credential. Default: the first page of the first stream that can be read by itself. */
  check?(signal: AbortSignal): Promise<Account>;
  close?(): Promise<void>;
}

/** What the author of a source says of it. */
export interface SourceDefinition<Shape extends z.ZodRawShape> {
  /** a-z, 0-9, - and _, beginning with a letter: names the app and, unless said, the connection. */
  name: string;
  /** As people call it. Default: the name. */
  title?: string;
  /** What it reads, as a sentence. */
  about?: string;
  /** Fields of `source:` that are its own, as zod schemas with descriptions. */
  settings?: Shape;
  /** Settings that hold secrets. Default: those with a name such as api_key, token, password. */
  secrets?: (keyof Shape & string)[];
  /** Environment variables that settings are taken from: `{ api_key: 'ACME_KEY' }`. */
  environment?: Partial<Record<(keyof Shape & string) | 'base_url', string>>;
  /** How the API tells of its limits, by the vendor's name; `generic` knows the common headers. */
  dialect?: string | Dialect;
  /**
   * The header in which the API signs its webhooks, as `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY` under the
   * connection's `webhook_secret`. Left out: its webhooks are refused.
   */
  webhookHeader?: string;
  /** The usual limits of the API: where the gate starts. What the API then says or rejects counts more. */
  limits?: LimitFact[] | ((settings: SettingsOf<Shape>) => LimitFact[]);
  open(settings: SettingsOf<Shape>, parts: SourceParts): SourceBody | Promise<SourceBody>;
}

/** Fields that `source:` has for every connector. */
const commonFields = {
  base_url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Where the API is, instead of its own address: a proxy or a testbed.'),
  streams: z.array(z.string().min(1)).min(1).optional().describe('Read these streams only. Default: all.'),
  exclude: z.array(z.string().min(1)).default([]).describe('Leave these streams out.'),
  ...ceilingFields,
};

/**
 * Makes a connector of a definition; a module exports it as `default`. Throws ConfigError where the definition cannot
 * be used.
 */
export function defineSource<Shape extends z.ZodRawShape = Record<never, never>>(
  definition: SourceDefinition<Shape>,
): Connector {
  const { name, title = name, about = '', environment = {}, limits = [] } = definition;
  if (!/^[a-z][a-z0-9_-]{0,39}$/.test(name))
    throw new ConfigError('the source has no usable name', {
      code: 'bad_source',
      place: 'name',
      expected: 'a-z, 0-9, - and _, at most 40 characters, beginning with a letter',
      found: String(name).slice(0, 80),
    });
  const own = definition.settings ?? ({} as Shape);
  const secrets = definition.secrets ?? Object.keys(own).filter((field) => SECRET_NAME.test(field));
  // The fields are checked by zod; that they are SettingsOf<Shape> is zod's own statement, which TypeScript cannot
  // follow.
  const typed = (settings: SourceSettings) => settings as SettingsOf<Shape>;
  const factsOf = (settings: SourceSettings) => (typeof limits === 'function' ? limits(typed(settings)) : limits);
  return {
    name,
    title,
    about,
    kind: 'own',
    schema: z.strictObject({ connector: z.string(), ...commonFields, ...own }) as z.ZodObject &
      z.ZodType<SourceSettings>,
    secrets,
    environment: environment as Record<string, string>,
    places: {},
    dialect: typeof definition.dialect === 'string' ? definition.dialect : undefined,
    webhookHeader: definition.webhookHeader,
    limits: factsOf,
    credential: (settings) => [name, settings.base_url, ...secrets.map((secret) => JSON.stringify(settings[secret]))],
    open: (settings, parts) => opened(definition, typed(settings), factsOf(settings), secrets, parts),
  };
}

async function opened<Shape extends z.ZodRawShape>(
  definition: SourceDefinition<Shape>,
  settings: SettingsOf<Shape>,
  facts: LimitFact[],
  secrets: string[],
  parts: ConnectorParts,
): Promise<OpenedConnector> {
  for (const name of secrets) if (typeof settings[name] === 'string') registerSecret(settings[name]);
  const admission = new Admission(
    parts.gateFor({ facts, ceilings: ceilingsOf(ceilingSchema.parse(settings)) }),
    parts.clock,
  );
  const meter = new LatencyMeter();
  const shared: ClientParts = { ...parts, admission, meter, activity: { requests: 0 } };
  const clients: SourceClient[] = [];
  const client = (options: ClientOptions) => {
    const made = new SourceClient(
      { dialect: definition.dialect, ...options, baseUrl: settings.base_url ?? options.baseUrl },
      shared,
    );
    clients.push(made);
    return made;
  };
  const body = await guardedOpen(
    definition.name,
    () => definition.open(settings, { clock: parts.clock, client }),
    shared,
  );
  const asked = askedBy(settings, secrets);
  const streams = chosenStreams(
    body.streams.map((stream) => complete(stream, asked, shared)),
    settings,
  );
  return {
    notes: [],
    client: { admission, meter },
    source: {
      name: definition.name,
      streams,
      changes: body.changes,
      check: (signal) => {
        const { check } = body;
        if (!check) return checkByPage(definition.name, streams, signal);
        return guardedCheck(definition.name, () => check.call(body, signal), shared);
      },
      close: async () => {
        await body.close?.();
        await Promise.all(clients.map((client) => client.close()));
      },
    },
  };
}

/** Settings of its own may decide which rows come. */
function askedBy(settings: SourceSettings, secrets: readonly string[]): string {
  const common = new Set(['connector', ...Object.keys(commonFields), ...secrets]);
  return stringifyJson(
    Object.entries(settings)
      .filter(([name, value]) => !common.has(name) && value !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function complete(definition: StreamDefinition, asked: string, shared: ClientParts): Stream {
  return {
    stored: true,
    asked,
    endpoint: definition.name,
    ...definition,
    page: async (request) => {
      try {
        return await guardedPage(definition, request, shared);
      } finally {
        if (request.ticket) shared.admission.giveBack(request.ticket);
      }
    },
  };
}

/** The streams that the settings choose, and parents that are read for the sake of their children alone. */
function chosenStreams(streams: Stream[], { streams: wanted, exclude = [] }: SourceSettings): Stream[] {
  const names = streams.map(({ name }) => name);
  for (const name of [...(wanted ?? []), ...exclude])
    if (!names.includes(name))
      throw new ConfigError(`there is no stream ${name}`, {
        code: 'unknown_stream',
        place: 'source.streams, source.exclude',
        expected: listed(names),
        found: name,
        candidates: names,
        next: 'name one of them',
      });
  const chosen = new Set(names.filter((name) => (wanted?.includes(name) ?? true) && !exclude.includes(name)));
  if (chosen.size === 0)
    throw new ConfigError('no stream is left to read', {
      code: 'no_streams',
      place: 'source.streams, source.exclude',
      expected: 'at least one stream that is not excluded',
      found: 'none',
    });
  const needed = new Set(chosen);
  for (let grown = -1; grown !== needed.size;) {
    grown = needed.size;
    for (const { name, division } of streams)
      if (needed.has(name) && division.kind === 'slices' && 'parent' in division.of) needed.add(division.of.parent);
  }
  return streams
    .filter(({ name }) => needed.has(name))
    .map((stream) => (chosen.has(stream.name) ? stream : { ...stream, stored: false }));
}

/** One page proves the credential; the server's clock is on its answer. */
async function checkByPage(name: string, streams: Stream[], signal: AbortSignal): Promise<Account> {
  const first = streams.find(({ division }) => division.kind !== 'slices');
  const page = await first?.page({ gte: null, lt: null, cursor: null, number: 0, signal, weight: () => Infinity });
  if (page?.serverTimeMs === undefined)
    throw new RetriableError('the API did not tell its time', {
      code: 'no_server_time',
      place: first ? `stream ${first.name}` : name,
      expected: first ? 'a Date header' : 'check(), where every stream is read by slices',
      found: 'none',
      next: first ? 'check the proxy between here and the API' : 'give the source a check function',
    });
  return { id: name, createdMs: undefined, serverTimeMs: page.serverTimeMs };
}
