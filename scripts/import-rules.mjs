// Who may import whom (ARCHITECTURE.md): every folder of src/ sees only the folders listed for it; the base is free to
// all, and so are type-only imports of a contract. Also: time and randomness come from the base alone, and no folder is
// missing from the table.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const SRC = path.join(import.meta.dirname, '..', 'src');
const BASE = ['errors', 'clock', 'duration', 'random', 'limits', 'log', 'json', 'schema-fault', 'version'];
const MAY = {
  protocol: [],
  gate: [],
  segments: [],
  postgres: [],
  testbed: [],
  client: [],
  // Runs in browsers: it speaks to the API, and to nothing else.
  web: ['client'],
  budgets: ['gate', 'postgres'],
  source: ['protocol'],
  destination: ['protocol'],
  http: ['gate'],
  state: ['protocol', 'segments'],
  config: [],
  declarative: ['source', 'http', 'protocol', 'config', 'state'],
  connectors: ['source', 'http', 'protocol', 'config'],
  destinations: ['destination', 'protocol', 'postgres'],
  pipeline: ['source', 'destination', 'segments', 'state', 'protocol'],
  scheduler: ['postgres'],
  // Connections that are kept in the database, and who may do what with them; what runs tell.
  connections: ['postgres', 'runs'],
  runs: ['postgres'],
  server: ['config', 'connections', 'postgres', 'runs', 'scheduler', 'tasks'],
  executors: ['scheduler'],
  // What a task does, handed opened connections by the wiring.
  tasks: ['pipeline', 'scheduler', 'source', 'destination', 'protocol', 'state', 'gate'],
  // The CLI is the outermost layer: it draws what the pipeline tells and may open the embedded database and the testbed
  // for the demo.
  cli: [
    'compose',
    'compose-manifest',
    'compose-scheduler',
    'compose-service',
    'connections',
    'server',
    'config',
    'pipeline',
    'protocol',
    'state',
    'segments',
    'postgres',
    'scheduler',
    'testbed',
  ],
};
/** Contracts: their types are free to all. */
const CONTRACTS = [
  'source/contract',
  'destination/contract',
  'gate/gate',
  'protocol/catalog',
  'protocol/airbyte',
  'pipeline/events',
];
const WIRING = ['compose', 'compose-manifest', 'compose-scheduler', 'compose-service', 'index', 'main'];
const CLOCKS = /\bDate\.now\(|\bsetTimeout\(|\bsetInterval\(|\bMath\.random\(|\bperformance\.now\(/;
/** Files of the base own time and randomness; the CLI's drawing, the client and the dashboard tick on their own. */
const MAY_TICK = ['clock.ts', 'random.ts', 'client/caller.ts', 'cli/progress-view.ts', 'cli/sync.ts'];

const faults = [];
for (const file of readdirSync(SRC, { recursive: true })
  .filter((name) => /\.tsx?$/.test(name))
  .toSorted()) {
  const folder = file.includes(path.sep) ? file.split(path.sep)[0] : undefined;
  const text = readFileSync(path.join(SRC, file), 'utf8');
  const test = file.endsWith('.test.ts');
  if (folder && !(folder in MAY))
    faults.push(`${file}: folder ${folder} is not in the table of scripts/import-rules.mjs`);
  if (!test && folder !== 'web' && !MAY_TICK.includes(file) && CLOCKS.test(text))
    faults.push(`${file}: takes time or randomness itself; pass a Clock or a Random`);
  if (test) continue;
  for (const [, typeOnly, from] of text.matchAll(/^(?:import|export)( type)?\b[^'";]*?from '(\.[^']+)'/gms)) {
    const target = path.relative(SRC, path.resolve(SRC, path.dirname(file), from)).replace(/\.js$/, '');
    const into = target.includes(path.sep) ? target.split(path.sep)[0] : undefined;
    if (!folder) {
      if (BASE.includes(file.replace(/\.ts$/, '')) && !BASE.includes(target))
        faults.push(`${file}: the base imports ${target}`);
      continue;
    }
    if (into === folder) {
      const [a, b] = [file.split(path.sep)[1], target.split(path.sep)[1]];
      if (folder === 'connectors' && a !== b) faults.push(`${file}: connectors never import each other (${target})`);
      continue;
    }
    if (into === undefined ? BASE.includes(target) || MAY[folder]?.includes(target) : MAY[folder]?.includes(into))
      continue;
    if (typeOnly && (CONTRACTS.includes(target) || (folder === 'pipeline' && into === 'gate'))) continue;
    if (WIRING.includes(target)) faults.push(`${file}: imports the wiring (${target})`);
    else faults.push(`${file}: ${folder} may not import ${target}${typeOnly ? ' (type)' : ''}`);
  }
}
for (const fault of faults) console.log(fault);
console.log(faults.length === 0 ? 'import rules hold' : `${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
