/**
 * The texts of test/manifests/yaml-by-python.jsonl, read by Airbyte's CDK again and by Headrace. Needs Python with
 * airbyte-cdk; HEADRACE_PYTHON names the interpreter. `--record` writes down what Python says now.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { readManifest } from '../src/sources/manifest/document/read.js';
import { finish, printTable } from './lib/report.js';
import { ofHeadrace, ofPython } from './lib/yaml-table.js';

const { values } = parseArgs({ strict: false, options: { record: { type: 'boolean' } } });
const TABLE = path.join(import.meta.dirname, '../test/manifests/yaml-by-python.jsonl');
const python = process.env['HEADRACE_PYTHON'] ?? 'python3';
const texts = readFileSync(TABLE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => (JSON.parse(line) as { yaml: string }).yaml);
const folder = mkdtempSync(path.join(tmpdir(), 'headrace-yaml-'));
const [input, output] = [path.join(folder, 'texts'), path.join(folder, 'out')];
writeFileSync(input, texts.map((text) => JSON.stringify(text)).join('\n'));
const run = spawnSync(python, [path.join(import.meta.dirname, 'lib/yaml-cdk.py'), input, output], { timeout: 120_000 });
if (run.status !== 0) {
  console.error(
    `YAML as Python reads it needs Python with airbyte-cdk\n  expected: ${python} that imports airbyte_cdk (pip install airbyte-cdk)\n  found: ${String(run.stdout ?? run.error).trim()}\n  next: name the interpreter in HEADRACE_PYTHON`,
  );
  process.exit(2);
}
const said = readFileSync(output, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { v?: unknown; e?: string })
  .map(({ v, e }) => (e === undefined ? { value: ofPython(v) } : { error: true }));
rmSync(folder, { recursive: true });
let different = 0;
for (const [at, yaml] of texts.entries()) {
  let found: unknown;
  try {
    found = { value: ofHeadrace(readManifest(yaml, 'manifest.yaml').root) };
  } catch {
    found = { error: true };
  }
  if (JSON.stringify(found) === JSON.stringify(said[at])) continue;
  different++;
  console.log(`${JSON.stringify(yaml)}\n  python   ${JSON.stringify(said[at])}\n  headrace ${JSON.stringify(found)}`);
}
if (values['record'])
  writeFileSync(TABLE, texts.map((yaml, at) => `${JSON.stringify({ yaml, ...said[at] })}\n`).join(''));
const figures = { texts: texts.length, different };
printTable(Object.keys(figures), [Object.values(figures)]);
finish({ bench: 'yaml', figures, targets: { different: { atMost: 0 } } });
