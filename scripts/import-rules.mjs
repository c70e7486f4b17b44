// Who may import whom (ARCHITECTURE.md), by path: the longest entry that a file lies under says what it may import. An
// entry stands for its own files, not for those of longer entries below it, so `gate` does not reach `gate/shared`.
// Also: no circle of imports, types included; time and randomness come from the base; every file has a rule.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const SRC = path.join(import.meta.dirname, '..', 'src');

/** What each path may import besides itself and `base`, from the innermost layer outwards. */
const MAY = {
  base: [],
  // Pure: no I/O, no clock.
  ledger: [],
  gate: [],
  'gate/shared': ['gate', 'postgres'],
  postgres: [],
  duckdb: [],
  testbed: [],
  http: ['gate'],
  sources: ['gate', 'http'],
  // The only files that name connectors and destinations; all others ask them.
  'sources/registry': ['sources', 'sources/*/descriptor'],
  'sources/stripe': ['sources', 'gate', 'http'],
  'sources/manifest': ['sources', 'gate', 'http', 'ledger', 'sources/manifest/*'],
  'sources/manifest/document': [],
  'sources/manifest/templates': [],
  'sources/manifest/airbyte': ['sources', 'ledger', 'sources/manifest/*', 'sources/manifest'],
  'sources/manifest/runtime': [
    'sources',
    'http',
    'sources/manifest',
    'sources/manifest/document',
    'sources/manifest/templates',
  ],
  'sources/manifest/library': ['sources', 'http', 'sources/manifest', 'sources/manifest/*'],
  'sources/manifest/tools': ['sources/manifest', 'sources/manifest/*'],
  'sources/manifest/twins': [
    'sources',
    'sources/manifest/document',
    'sources/manifest/runtime',
    'sources/manifest/templates',
  ],
  destinations: [],
  'destinations/registry': ['destinations', 'destinations/*/descriptor'],
  'destinations/postgres': ['destinations', 'postgres'],
  'destinations/duckdb': ['destinations', 'duckdb', 'postgres'],
  // Its rows are shaped as DuckDB's, and its files are written by it.
  'destinations/parquet': ['destinations', 'destinations/duckdb', 'duckdb', 'http', 'postgres'],
  'destinations/ndjson': ['destinations'],
  'destinations/airbyte': ['destinations'],
  'destinations/singer': ['destinations'],
  config: ['destinations', 'destinations/registry'],
  engine: ['sources', 'destinations', 'ledger'],
  connections: [
    'postgres',
    'runs',
    'config',
    'sources',
    'sources/registry',
    'destinations',
    'destinations/registry',
    'engine',
    'gate',
    'gate/shared',
    'http',
  ],
  runs: ['postgres'],
  alerts: ['postgres', 'runs', 'config', 'connections', 'http'],
  fleet: ['fleet/scheduler', 'connections', 'config', 'postgres', 'runs', 'sources/registry'],
  'fleet/scheduler': ['postgres'],
  // What a task does, handed opened connections by the wiring.
  'fleet/tasks': ['fleet/scheduler', 'fleet/workflow', 'engine', 'sources', 'destinations', 'ledger', 'gate', 'runs'],
  'fleet/workflow': ['fleet/scheduler', 'postgres'],
  'fleet/executors': ['fleet/scheduler', 'fleet/workflow'],
  service: ['alerts', 'config', 'connections', 'postgres', 'runs', 'fleet/scheduler', 'fleet/tasks', 'service/api'],
  'service/api': ['alerts', 'config', 'connections', 'postgres', 'runs', 'fleet/scheduler', 'fleet/tasks', 'service'],
  // Run in browsers and in other people's programs: they speak to the API, and to nothing else.
  'service/client': [],
  'service/web': ['service/client', 'base/duration', 'runs/event-text'],
  wiring: [
    'sources/registry',
    'sources/manifest/*',
    'sources/manifest',
    'destinations/registry',
    'destinations/airbyte',
    'destinations/singer',
    'engine',
    'connections',
    'config',
    'http',
    'fleet',
    'fleet/*',
    'alerts',
    'service',
  ],
  // The outermost layer: it draws what the engine tells, and opens the embedded database and the testbed for the demo.
  cli: [
    'wiring',
    'runs',
    'config',
    'connections',
    'engine',
    'ledger',
    'postgres',
    'fleet/scheduler',
    'service',
    'testbed',
    'sources/manifest/airbyte',
  ],
};
/** Entry points of the package: they name what is public. */
const ENTRIES = ['index', 'main'];
/** The browser's code has a base of its own, the browser. */
const WITHOUT_BASE = ['service/client', 'service/web'];
/** Contracts: their types are free to all. */
const CONTRACTS = [
  'sources/contract',
  'sources/connector',
  'destinations/contract',
  'gate/gate',
  'engine/report/events',
  'sources/manifest/airbyte/messages',
];
const CLOCKS = /\bDate\.now\(|\bsetTimeout\(|\bsetInterval\(|\bMath\.random\(|\bperformance\.now\(/;
/** Files of the base own time and randomness; the CLI's drawing, the client and the dashboard tick on their own. */
const MAY_TICK = [
  'base/clock.ts',
  'base/random.ts',
  'service/client/caller.ts',
  'cli/terminal/progress-view.ts',
  'cli/commands/sync.ts',
];

const files = readdirSync(SRC, { recursive: true })
  .map((name) => name.split(path.sep).join('/'))
  .filter((name) => /\.tsx?$/.test(name))
  .toSorted();

/** The longest path of the table that is a file, or holds it, without its ending. */
function ruleOf(file) {
  const name = file.replace(/\.tsx?$/, '');
  let found;
  for (const rule of Object.keys(MAY))
    if ((name === rule || name.startsWith(`${rule}/`)) && rule.length > (found?.length ?? 0)) found = rule;
  return found;
}

function targetOf(file, from) {
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), from)).replace(/\.js$/, '');
  return target.startsWith('..') ? undefined : target;
}

function importsOf(file) {
  const text = readFileSync(path.join(SRC, file), 'utf8');
  const fixed = [...text.matchAll(/^(?:import|export)( type)?\b[^'";]*?from '(\.[^']+)'/gms)];
  const late = [...text.matchAll(/()\bimport\('(\.[^']+)'\)/g)];
  return [...fixed, ...late].flatMap(([, typeOnly, from]) => {
    const target = targetOf(file, from);
    return target === undefined ? [] : [{ target, typeOnly: Boolean(typeOnly) }];
  });
}

function allowed(rule, target) {
  const into = ruleOf(`${target}.ts`);
  if (rule === into || MAY[rule].includes(target)) return true;
  if (into === 'base') return !WITHOUT_BASE.includes(rule);
  return MAY[rule].some(
    (may) =>
      may === '*' ||
      may === into ||
      (may.endsWith('/*') && into?.startsWith(may.slice(0, -1))) ||
      (may.includes('/*/') && new RegExp(`^${may.replace('*', '[^/]+')}$`).test(target)),
  );
}

const faults = [];
const graph = new Map();
for (const file of files) {
  const name = file.replace(/\.tsx?$/, '');
  const rule = ruleOf(file);
  const test = name.endsWith('.test');
  if (!rule && !ENTRIES.includes(name))
    faults.push(`${file}: lies under no path of the table in scripts/import-rules.mjs`);
  if (
    !test &&
    rule !== 'service/web' &&
    !MAY_TICK.includes(file) &&
    CLOCKS.test(readFileSync(path.join(SRC, file), 'utf8'))
  )
    faults.push(`${file}: takes time or randomness itself; pass a Clock or a Random`);
  if (test) continue;
  const imports = importsOf(file);
  graph.set(name, [...new Set(imports.map(({ target }) => target))]);
  for (const { target, typeOnly } of imports) {
    if (!rule || (typeOnly && CONTRACTS.includes(target))) continue;
    // The engine reads the gate's and the ledger's types, and calls neither the gate nor the client.
    if (typeOnly && rule === 'engine' && ruleOf(`${target}.ts`) === 'gate') continue;
    if (!allowed(rule, target)) faults.push(`${file}: ${rule} may not import ${target}${typeOnly ? ' (type)' : ''}`);
  }
}

/** Circles, each once, as the files on the way round. */
function circles() {
  const found = [];
  const done = new Set();
  const way = [];
  const visit = (name) => {
    const at = way.indexOf(name);
    if (at >= 0) return void found.push([...way.slice(at), name].join(' -> '));
    if (done.has(name)) return undefined;
    way.push(name);
    for (const next of graph.get(name) ?? []) visit(next);
    way.pop();
    done.add(name);
    return undefined;
  };
  for (const name of graph.keys()) visit(name);
  return found;
}
for (const circle of circles()) faults.push(`a circle of imports: ${circle}`);
for (const rule of Object.keys(MAY))
  if (!existsSync(path.join(SRC, rule)) && !existsSync(path.join(SRC, `${rule}.ts`)))
    faults.push(`${rule}: a path of the table that is not there`);

for (const fault of faults) console.log(fault);
console.log(faults.length === 0 ? 'import rules hold' : `${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
