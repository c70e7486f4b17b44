/**
 * Manifests read by Airbyte's own CDK and by Headrace, side by side, against one scripted server: what was asked for,
 * which records came, and whether it failed; where a scenario says so once more, from the state that the first run
 * brought, and from the state of the other side. Needs Python with airbyte-cdk; HEADRACE_PYTHON names the interpreter.
 * --only PART,PART chooses by name; --manifests FOLDER (or HEADRACE_MANIFESTS) reads whole connectors of Airbyte's as
 * well, --most N of them;
 * --turns 1,2 leaves turns out; --show prints what was asked for and what came.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { redact } from '../src/base/log.js';
import { DIFFERENCES } from '../src/sources/manifest/tools/differences.js';
import { caseOf, type Case } from './lib/oracle-case.js';
import { COMPONENT_SCENARIOS } from './lib/oracle-components.js';
import { timeless, wholeManifests } from './lib/oracle-manifests.js';
import { KEPT_SCENARIOS } from './lib/oracle-kept.js';
import { MIXED_SCENARIOS } from './lib/oracle-mixed.js';
import { NEWER_SCENARIOS } from './lib/oracle-newer.js';
import { OTHER_SCENARIOS } from './lib/oracle-rest.js';
import { SCENARIOS as BASIC } from './lib/oracle-scenarios.js';
import { OracleServer } from './lib/oracle-server.js';
import { readByCdk, readByHeadrace, type Job, type Outcome } from './lib/oracle-sides.js';
import { finish, printTable } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: {
    only: { type: 'string' },
    show: { type: 'boolean' },
    manifests: { type: 'string' },
    most: { type: 'string' },
    turns: { type: 'string' },
  },
});
const text = (name: 'only' | 'manifests' | 'most' | 'turns') =>
  typeof values[name] === 'string' ? values[name] : undefined;
type Turn = Case['turns'][number];
const ALL: readonly Turn[] = [1, 2, 'other', 'refused'];
const turns = text('turns')?.split(',');
const TURNS = ALL.filter((turn) => turns?.includes(String(turn)) ?? true);
const place = text('manifests') ?? process.env['HEADRACE_MANIFESTS'];
const wholes: Case[] = (place === undefined ? [] : wholeManifests(place, Number(text('most') ?? 120))).map((each) => ({
  ...each,
  turns: TURNS,
  state: undefined,
  answererOf: (turn) => each.answererOf(turn === 1, turn === 'refused'),
  isCounted: () => true,
  written: timeless,
}));
if (place === undefined || wholes.length === 0)
  console.log('whole connectors: skipped, since no folder of them is named (--manifests FOLDER, HEADRACE_MANIFESTS)');
const parts = text('only')?.split(',') ?? [''];
const chosen = [
  ...[
    ...BASIC,
    ...COMPONENT_SCENARIOS,
    ...NEWER_SCENARIOS,
    ...OTHER_SCENARIOS,
    ...KEPT_SCENARIOS,
    ...MIXED_SCENARIOS,
  ].map(caseOf),
  ...wholes,
].filter(({ name }) => parts.some((part) => name.includes(part)));
const byName = new Map(chosen.map((each) => [each.name, each]));

type Side = 'cdk' | 'headrace';
const SIDES: readonly Side[] = ['cdk', 'headrace'];
const otherOf = (side: Side): Side => (side === 'cdk' ? 'headrace' : 'cdk');

const server = new OracleServer(
  (name, side) => byName.get(name)?.answererOf(TURNS.find((turn) => side.endsWith(`.${turn}`))!),
  (name, asked) => byName.get(name)!.isCounted(asked),
);

const found = new Map<string, Outcome>();
const outcome = (name: string, side: Side, turn: Turn): Outcome | undefined => found.get(`${name}.${side}.${turn}`);
const requestsOf = ({ name, written, isLogin }: Case, side: Side, turn: Turn): string[] =>
  server
    .requestsOf(name, `${side}.${turn}`)
    .map(written)
    .toSorted()
    .filter((request, at, all) => !isLogin(request) || all.indexOf(request) === at);

/** `__BASE__` in a manifest is where the side asks: a login is not moved to where a server stands in for the API. */
const placed = (manifest: unknown, url: string): unknown =>
  typeof manifest === 'string'
    ? manifest.replaceAll('__BASE__', url)
    : JSON.parse(JSON.stringify(manifest).replaceAll('__BASE__', url));

/** What a side has to read in a turn. */
function jobsOf(side: Side, turn: Turn): Job[] {
  return chosen
    .filter(({ turns }) => turns.includes(turn))
    .map(({ name, manifest, config, catalog, state: given }) => {
      const from = turn === 'other' ? otherOf(side) : side;
      const state = turn === 2 || turn === 'other' ? outcome(name, from, 1)?.state : given;
      return {
        id: `${name}.${side}.${turn}`,
        url: server.urlOf(name, `${side}.${turn}`),
        manifest: placed(manifest, server.urlOf(name, `${side}.${turn}`)),
        config,
        catalog,
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
  for (const [id, each] of [...byCdk, ...(await readByHeadrace(folder, jobsOf('headrace', turn)))]) found.set(id, each);
}

interface Compared {
  requests: string[];
  records: string[];
  failed: boolean;
}

/**
 * Rows of a second run that the first had brought, as they were: Headrace does not append them again where it knows them,
 * and may not bring more of them than the CDK.
 */
function withoutRepeated({ name, written }: Case, turn: Turn, sides: Compared[]): Compared[] {
  if (turn === 1 || turn === 'refused') return sides;
  const [cdk, headrace] = sides as [Compared, Compared];
  const before = new Set(outcome(name, 'cdk', 1)!.records.map(written));
  const again = headrace.records.filter((record) => before.has(record));
  const allowed = new Set(cdk.records);
  if (again.some((record) => !allowed.has(record))) return sides;
  return sides.map((each) => ({ ...each, records: each.records.filter((record) => !before.has(record)) }));
}

/** Where the sides differ, as text; what is redacted on one side is redacted on both. */
function differencesOf(each: Case): string[] {
  const { name } = each;
  const out: string[] = [];
  for (const turn of TURNS.filter((one) => outcome(name, 'cdk', one))) {
    const both = SIDES.map((side): Compared => {
      const { records, failed } = outcome(name, side, turn)!;
      // How often a refused request is tried is no part of what is read.
      return {
        records: records.map(each.written).toSorted(),
        failed,
        requests: turn === 'refused' ? [] : requestsOf(each, side, turn),
      };
    });
    const [cdk, headrace] = withoutRepeated(each, turn, both) as [Compared, Compared];
    for (const part of ['requests', 'records', 'failed'] as const) {
      const [a, b] = [cdk[part], headrace[part]].map((value) => redact(JSON.stringify(value)));
      if (a !== b) out.push(`${name}${turn === 1 ? '' : `, run ${turn}`}: ${part}\n  cdk      ${a}\n  headrace ${b}`);
    }
    const said = SIDES.map((side) => outcome(name, side, turn)!.message.slice(0, 160)).join(' | ');
    if (cdk.failed || headrace.failed) out.push(`  said: ${said}`);
  }
  return out.some((line) => !line.startsWith('  said')) ? out : [];
}

function show(each: Case): void {
  for (const side of SIDES)
    for (const turn of TURNS) {
      const shown = outcome(each.name, side, turn);
      if (shown)
        console.log(
          `${each.name} ${side} ${turn}\n  ${requestsOf(each, side, turn).join('\n  ')}\n  ${JSON.stringify(shown)}`,
        );
    }
}

const known = new Set(DIFFERENCES.map(([what]) => what));
let equal = 0;
let explained = 0;
const unexplained: string[] = [];
for (const each of chosen) {
  const differences = differencesOf(each);
  const because = each.because !== undefined && known.has(each.because);
  if (values['show']) show(each);
  if (differences.length === 0) equal++;
  else if (because) explained++;
  else {
    unexplained.push(each.name);
    console.log(differences.join('\n'));
  }
}
server.close();
rmSync(folder, { recursive: true });
const failing = wholes.filter(({ name }) => outcome(name, 'cdk', 1)?.failed).length;
const figures = {
  scenarios: chosen.length,
  equal,
  explained,
  unexplained: unexplained.length,
  connectors: wholes.filter(({ name }) => byName.has(name)).length,
  connectors_that_fail: failing,
};
printTable(Object.keys(figures), [Object.values(figures)]);
finish({
  bench: 'oracle',
  figures: { ...figures, explained_share: chosen.length === 0 ? 0 : explained / chosen.length },
  targets: { unexplained: { atMost: 0 }, explained_share: { atMost: 0.03 } },
});
process.exit();
