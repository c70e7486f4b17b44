/**
 * Manifests read by Airbyte's own CDK and by Headrace, side by side, against one scripted server: what was asked for,
 * which records came, and whether it failed; where a scenario says so once more, from the state that the first run
 * brought, and from the state of the other side. Needs Python with airbyte-cdk; HEADRACE_PYTHON names the interpreter.
 * --only PART,PART chooses by name; --manifests FOLDER reads whole connectors of Airbyte's as well.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { redact } from '../src/base/log.js';
import { DIFFERENCES } from '../src/sources/manifest/tools/differences.js';
import { COMPONENT_SCENARIOS } from './lib/oracle-components.js';
import { NEWER_SCENARIOS } from './lib/oracle-newer.js';
import { SCENARIOS as BASIC, type Scenario } from './lib/oracle-scenarios.js';
import { OracleServer, type Answerer } from './lib/oracle-server.js';
import { readByCdk, readByHeadrace, type Job, type Outcome } from './lib/oracle-sides.js';
import { finish, printTable } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: { only: { type: 'string' }, show: { type: 'boolean' } },
});
const parts = typeof values['only'] === 'string' ? values['only'].split(',') : [''];
const chosen = [...BASIC, ...COMPONENT_SCENARIOS, ...NEWER_SCENARIOS].filter(({ name }) =>
  parts.some((part) => name.includes(part)),
);
const byName = new Map(chosen.map((each) => [each.name, each]));
const CHECKED = '/v1/chk';

type Side = 'cdk' | 'headrace';
/** The first run, one from its state, and one from the state of the other side. */
type Turn = 1 | 2 | 'other';
const TURNS: readonly Turn[] = [1, 2, 'other'];
const otherOf = (side: Side): Side => (side === 'cdk' ? 'headrace' : 'cdk');

const server = new OracleServer(
  (name, side) => {
    const found = byName.get(name);
    return found && answererOf(found, side.endsWith('.1'));
  },
  (asked) => asked !== CHECKED,
);

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
    const isText = typeof content === 'string';
    return {
      status,
      body: isText && headers['X-Base64'] ? Buffer.from(content, 'base64') : isText ? content : JSON.stringify(content),
      headers: { 'content-type': isText ? 'text/plain' : 'application/json', ...headers },
    };
  };
}

function catalogOf({ manifest, streams = ['items'] }: Scenario) {
  const declared = (manifest['streams'] ?? []) as Record<string, unknown>[];
  return {
    streams: streams.map((name) => {
      const stream = declared.find((each) => each['name'] === name) ?? declared[0];
      const isIncremental = JSON.stringify(stream?.['incremental_sync']) !== undefined;
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

const statesOf = (state: unknown) => [
  { type: 'STREAM', stream: { stream_descriptor: { name: 'items' }, stream_state: state } },
];

const found = new Map<string, Outcome>();
const outcomes = (name: string, side: Side, turn: Turn): Outcome | undefined => found.get(`${name}.${side}.${turn}`);

/** What a side has to read in a turn. */
function jobsOf(side: Side, turn: Turn): Job[] {
  return chosen
    .filter(({ again }) => turn === 1 || again !== undefined)
    .map((each) => {
      const from = turn === 1 ? undefined : outcomes(each.name, turn === 'other' ? otherOf(side) : side, 1)?.state;
      const state = turn === 1 ? (each.state === undefined ? undefined : statesOf(each.state)) : from;
      return {
        id: `${each.name}.${side}.${turn}`,
        url: server.urlOf(each.name, `${side}.${turn}`),
        manifest: each.manifest,
        config: each.config,
        catalog: catalogOf(each),
        ...(state === undefined || state.length === 0 ? {} : { state }),
      };
    });
}

const folder = mkdtempSync(path.join(tmpdir(), 'headrace-oracle-'));
await server.listen();
for (const turn of TURNS) {
  const byCdk = await readByCdk(folder, jobsOf('cdk', turn));
  if (!byCdk) {
    rmSync(folder, { recursive: true });
    process.exit(2);
  }
  const byHeadrace = await readByHeadrace(folder, jobsOf('headrace', turn));
  for (const [id, outcome] of [...byCdk, ...byHeadrace]) found.set(id, outcome);
}

/**
 * Rows of a second run that the first had brought, as they were: Headrace does not append them again where it knows them,
 * and may not bring more of them than the CDK.
 */
function withoutRepeated(name: string, turn: Turn, sides: Compared[]): Compared[] {
  if (turn === 1) return sides;
  const [cdk, headrace] = sides as [Compared, Compared];
  const before = new Set(outcomes(name, 'cdk', 1)!.records);
  const again = headrace.records.filter((record) => before.has(record));
  const allowed = new Set(cdk.records);
  if (again.some((record) => !allowed.has(record))) return sides;
  return sides.map((each) => ({ ...each, records: each.records.filter((record) => !before.has(record)) }));
}

interface Compared {
  requests: string[];
  records: string[];
  failed: boolean;
}

/** Where the sides differ, as text; what is redacted on one side is redacted on both. */
function differencesOf(name: string): string[] {
  const out: string[] = [];
  for (const turn of TURNS) {
    if (!outcomes(name, 'cdk', turn)) continue;
    const both = (['cdk', 'headrace'] as const).map((side): Compared => {
      const { records, failed } = outcomes(name, side, turn)!;
      return { records, failed, requests: server.requestsOf(name, `${side}.${turn}`) };
    });
    const [cdk, headrace] = withoutRepeated(name, turn, both) as [Compared, Compared];
    for (const part of ['requests', 'records', 'failed'] as const) {
      const [a, b] = [cdk[part], headrace[part]].map((value) => redact(JSON.stringify(value)));
      if (a !== b) out.push(`${name}${turn === 1 ? '' : `, run ${turn}`}: ${part}\n  cdk      ${a}\n  headrace ${b}`);
    }
    if (cdk.failed || headrace.failed)
      out.push(
        `  said: ${(['cdk', 'headrace'] as const).map((side) => outcomes(name, side, turn)!.message.slice(0, 160)).join(' | ')}`,
      );
  }
  return out.some((line) => !line.startsWith('  said')) ? out : [];
}

const known = new Set(DIFFERENCES.map(([what]) => what));
let equal = 0;
let explained = 0;
const unexplained: string[] = [];
for (const each of chosen) {
  const differences = differencesOf(each.name);
  const because = each.because !== undefined && known.has(each.because);
  if (values['show'])
    for (const side of ['cdk', 'headrace'] as const)
      for (const turn of TURNS)
        if (outcomes(each.name, side, turn))
          console.log(
            `${each.name} ${side} ${turn}\n  ${server.requestsOf(each.name, `${side}.${turn}`).join('\n  ')}\n  ${JSON.stringify(outcomes(each.name, side, turn))}`,
          );
  if (differences.length === 0) {
    equal++;
    if (because) console.log(`${each.name}: equal, yet a reason is given`);
  } else if (because) explained++;
  else {
    unexplained.push(each.name);
    console.log(differences.join('\n'));
  }
}
server.close();
rmSync(folder, { recursive: true });
const figures = { scenarios: chosen.length, equal, explained, unexplained: unexplained.length };
printTable(Object.keys(figures), [Object.values(figures)]);
finish({
  bench: 'oracle',
  figures: { ...figures, explained_share: chosen.length === 0 ? 0 : explained / chosen.length },
  targets: { unexplained: { atMost: 0 }, explained_share: { atMost: 0.03 } },
});
process.exit();
