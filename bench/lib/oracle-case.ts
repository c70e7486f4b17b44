/** What the oracle reads on both sides: a small scenario, or a whole connector. */
import type { Scenario } from './oracle-scenarios.js';
import { sorted, type Answerer } from './oracle-server.js';

export interface Case {
  name: string;
  /** Parsed, or as it was written. */
  manifest: unknown;
  config: unknown;
  catalog: unknown;
  /** State messages that the first run begins with. */
  state: unknown[] | undefined;
  /** The first run, one from its state, one from the state of the other side, and one whose credential is refused. */
  turns: readonly (1 | 2 | 'other' | 'refused')[];
  answererOf(turn: 1 | 2 | 'other' | 'refused'): Answerer;
  /** Whether requests for a path are held against each other. */
  isCounted(path: string): boolean;
  /** A request as it is compared. */
  written(request: string): string;
  /** Whether a request, as it is compared, logs in: how often is no part of what is read. */
  isLogin(request: string): boolean;
  /** The difference that explains why both sides do not do the same, as differences.ts names it. */
  because: string | undefined;
}

const CHECKED = '/v1/chk';

export function caseOf(scenario: Scenario): Case {
  const { name, manifest, config, state, again, because } = scenario;
  return {
    name,
    manifest,
    config,
    catalog: catalogOf(scenario),
    state: state && [{ type: 'STREAM', stream: { stream_descriptor: { name: 'items' }, stream_state: state } }],
    turns: again === undefined ? [1] : [1, 2, 'other'],
    answererOf: (turn) => answererOf(scenario, turn === 1),
    isCounted: (path) => path !== CHECKED,
    written: withoutTimes,
    isLogin: () => false,
    because,
  };
}

/** Answers of a path in their order; the last repeats. */
function answererOf({ script, again, answer }: Scenario, isFirst: boolean): Answerer {
  const counts = new Map<string, number>();
  const scripted = isFirst || again === undefined || again === true ? script : again;
  return (asked) => {
    const { path: own } = asked;
    const list = scripted[own] ?? scripted['*'] ?? [[200, { data: [] }]];
    const at = counts.get(own) ?? 0;
    counts.set(own, at + 1);
    const [status, content, headers = {}] = answer?.(asked) ?? list[Math.min(at, list.length - 1)]!;
    const { 'X-Base64': isBinary, ...others } = headers;
    const isText = typeof content === 'string';
    return {
      status,
      body: isText && isBinary ? Buffer.from(content, 'base64') : isText ? content : JSON.stringify(content),
      headers: { 'content-type': isText ? 'text/plain' : 'application/json', ...others },
    };
  };
}

/** A signed token tells when it was made; what else it tells is compared. */
function withoutTimes(request: string): string {
  return request.replaceAll(/(eyJ[\w-]+)\.(eyJ[\w-]+)\.[\w-]+/g, (_, head: string, body: string) => {
    const [headers, claims] = [head, body].map(
      (each) => JSON.parse(Buffer.from(each, 'base64url').toString()) as Record<string, unknown>,
    ) as [Record<string, unknown>, Record<string, unknown>];
    const { iat, exp, nbf, ...rest } = claims;
    const lasts = typeof exp === 'number' && typeof iat === 'number' ? exp - iat : undefined;
    return JSON.stringify([sorted(headers), sorted(rest), lasts, nbf === iat]).replaceAll('"', "'");
  });
}

function catalogOf({ manifest, streams = ['items'] }: Scenario) {
  const declared = (manifest['streams'] ?? []) as Record<string, unknown>[];
  return {
    streams: streams.map((name) => {
      const stream = declared.find((each) => each['name'] === name) ?? declared[0];
      const isIncremental = stream?.['incremental_sync'] !== undefined || stream?.['type'] === 'StateDelegatingStream';
      return {
        stream: {
          name,
          json_schema: {},
          supported_sync_modes: isIncremental ? ['full_refresh', 'incremental'] : ['full_refresh'],
        },
        sync_mode: isIncremental ? 'incremental' : 'full_refresh',
        destination_sync_mode: 'append',
      };
    }),
  };
}
