/** Generated templates, evaluated by Airbyte's own interpolation and by Headrace's: what differs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseJson } from '../../src/base/json.js';
import { seededRandom } from '../../src/base/random.js';
import { Templates } from '../../src/sources/manifest/templates/template.js';
import {
  isDict,
  isFloat,
  entriesOf,
  reprOf,
  TemplateError,
  Tuple,
  typeName,
  type Dict,
  type Value,
} from '../../src/sources/manifest/templates/values.js';
import { CONTEXTS, TemplateGenerator } from './template-generator.js';

/** Longer ones are not written down for the tests. */
const MOST_RECORDED = 200;
const NOW = '2025-03-04T05:06:07+00:00';

interface Result {
  v?: unknown;
  e?: string;
}

/** A value with its kind, as templates-cdk.py writes it. */
function tagged(value: Value): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeName(value) === 'int') return ['i', reprOf(value)];
  if (isFloat(value)) return ['f', reprOf(value)];
  if (Array.isArray(value)) return [value instanceof Tuple ? 't' : 'l', value.map(tagged)];
  if (isDict(value)) return ['d', entriesOf(value).map(([key, item]) => [tagged(key), tagged(item)])];
  return ['?', typeName(value)];
}

export interface Difference {
  template: string;
  context: number;
  cdk: string;
  headrace: string;
}

/** Addresses of objects differ from run to run. */
const plain = (text: string) => text.replaceAll(/0x[0-9a-f]{6,}/gi, '0x0').replaceAll('0X0', '0x0');

/** Differences of `differences.ts`, by what a result of the CDK looks like. */
const KNOWN: [name: string, holds: (cdk: string, headrace: string) => boolean][] = [
  ['what a function looks like', (cdk) => /<(built-in )?(function|method|bound method|[\w.]+ object)/i.test(cdk)],
  [
    'dates within lists',
    (cdk, headrace) => cdk.replaceAll('tzinfo=<UTC>', 'tzinfo=datetime.timezone.utc') === headrace,
  ],
  ['keys that are no texts', (cdk, headrace) => textKeys(cdk) === headrace],
  ['constants that come to infinity', (cdk) => cdk.startsWith("NameError: name 'inf'")],
  ['marked texts', (cdk) => cdk.includes('Markup(')],
  ['hidden attributes', (cdk, headrace) => cdk.startsWith('SecurityError') && headrace === 'null'],
  ['`pprint` of what fills more than a line', (cdk) => /\\n /.test(cdk)],
  ['order of keys that are numbers', (cdk, headrace) => inOrder(cdk) === inOrder(headrace)],
  ['sets and bytes', (cdk) => /\["\?","(set|bytes|ellipsis)"/.test(cdk)],
];

/** With the keys of dicts as texts, in order. */
function inOrder(json: string): string {
  const walk = (value: unknown): unknown => {
    if (!Array.isArray(value)) return value;
    if (value[0] !== 'd') return value.map(walk);
    return ['d', (value[1] as unknown[]).map((pair) => JSON.stringify(walk(pair))).toSorted()];
  };
  try {
    return JSON.stringify(walk(JSON.parse(textKeys(json))));
  } catch {
    return json;
  }
}

/** Keys of dicts as JSON has them. */
function textKeys(json: string): string {
  const walk = (value: unknown): unknown => {
    if (!Array.isArray(value)) return value;
    if (value[0] === 'd')
      return ['d', (value[1] as [unknown, unknown][]).map(([key, item]) => [keyText(key), walk(item)])];
    return value.map(walk);
  };
  try {
    return JSON.stringify(walk(JSON.parse(json)));
  } catch {
    return json;
  }
}

function keyText(key: unknown): unknown {
  if (key === null || typeof key === 'boolean') return String(key);
  if (!Array.isArray(key)) return key;
  if (key[0] !== 't') return key[1];
  const items = (key[1] as unknown[]).map(keyText);
  return items.length === 1 ? `(${String(items[0])},)` : `(${items.join(', ')})`;
}

/**
 * `record` is a file for those that are equal, as test/templates-by-cdk.jsonl. Throws with what Python said where it
 * cannot do it.
 */
export function compareTemplates(
  python: string,
  count: number,
  seed: number,
  record?: string,
): { failedOnBoth: number; known: Map<string, number>; differences: Difference[] } {
  const random = seededRandom(seed);
  const generator = new TemplateGenerator(random);
  const jobs = Array.from({ length: count }, () => ({
    template: generator.template(),
    context: random.next() < 0.75 ? 0 : 1,
  }));
  const folder = mkdtempSync(path.join(tmpdir(), 'headrace-templates-'));
  const [input, output] = [path.join(folder, 'jobs'), path.join(folder, 'out')];
  writeFileSync(input, jobs.map((job) => JSON.stringify({ t: job.template, c: CONTEXTS[job.context] })).join('\n'));
  const run = spawnSync(python, [path.join(import.meta.dirname, 'templates-cdk.py'), input, output, NOW], {
    timeout: 900_000,
  });
  if (run.status !== 0) throw new Error(`${run.stdout} ${String(run.stderr).slice(-300)}`.trim() || String(run.error));
  const expected = readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Result);
  rmSync(folder, { recursive: true });
  const templates = new Templates(() => Date.parse(NOW));
  const recorded = [JSON.stringify({ now: NOW, contexts: CONTEXTS })];
  let failedOnBoth = 0;
  const known = new Map<string, number>();
  const differences: Difference[] = [];
  for (const [at, { template, context }] of jobs.entries()) {
    const wanted = expected[at]!;
    const found = evaluated(templates, template, context);
    const [cdk, headrace] = [wanted, found].map((each) => ('e' in each ? 'error' : plain(JSON.stringify(each.v))));
    if (cdk === headrace) {
      if (template.length <= MOST_RECORDED)
        recorded.push(JSON.stringify({ t: template, c: context, ...(cdk === 'error' ? { e: 1 } : wanted) }));
      if (cdk === 'error') failedOnBoth++;
      continue;
    }
    const difference = {
      template,
      context,
      cdk: wanted.e ?? cdk!,
      headrace: found.e ?? headrace!,
    };
    const because = KNOWN.find(([, holds]) => holds(difference.cdk, difference.headrace));
    if (because === undefined) differences.push(difference);
    else known.set(because[0], (known.get(because[0]) ?? 0) + 1);
  }
  if (record !== undefined) writeFileSync(record, `${recorded.join('\n')}\n`);
  return { failedOnBoth, known, differences };
}

function evaluated(templates: Templates, template: string, context: number): Result {
  try {
    return { v: tagged(templates.evaluate(template, parseJson(CONTEXTS[context]!) as Dict)) };
  } catch (error) {
    const kind = error instanceof TemplateError ? '' : `NOT OURS ${(error as Error).name}: `;
    return { e: `${kind}${(error as Error).message}` };
  }
}
