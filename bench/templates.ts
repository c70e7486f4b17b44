/**
 * A render of each template, in nanoseconds: those of public manifests where they lie beside the project, else those of
 * our own manifest. With `--count N` instead: N generated templates, evaluated by Airbyte's CDK too, and what differs;
 * `--seed S` makes others, `--record FILE` writes down what is equal. Needs Python with airbyte-cdk; HEADRACE_PYTHON
 * names the interpreter.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Templates } from '../src/sources/manifest/templates/template.js';
import { TemplateError, type Dict } from '../src/sources/manifest/templates/values.js';
import { finish, printTable } from './lib/report.js';
import { compareTemplates } from './lib/template-fuzz.js';

function compareWithCdk(count: number, seed: number): void {
  const python = process.env['HEADRACE_PYTHON'] ?? 'python3';
  let compared: ReturnType<typeof compareTemplates>;
  try {
    compared = compareTemplates(
      python,
      count,
      seed,
      typeof values['record'] === 'string' ? values['record'] : undefined,
    );
  } catch (error) {
    console.error(
      `templates by differential fuzzing need Python with airbyte-cdk\n  expected: ${python} that imports airbyte_cdk (pip install airbyte-cdk)\n  found: ${(error as Error).message}\n  next: name the interpreter in HEADRACE_PYTHON`,
    );
    process.exit(2);
  }
  const { failedOnBoth, known, differences } = compared;
  for (const { template, cdk, headrace } of differences)
    console.log(`${template}\n  cdk      ${cdk.slice(0, 300)}\n  headrace ${headrace.slice(0, 300)}`);
  for (const [name, times] of known) console.log(`${name}: ${times}`);
  const explained = [...known.values()].reduce((sum, times) => sum + times, 0);
  const figures = { templates: count, failed_on_both: failedOnBoth, explained, unexplained: differences.length };
  printTable(Object.keys(figures), [Object.values(figures)]);
  finish({ bench: 'templates', figures, targets: { unexplained: { atMost: 0 } } });
}

const SHARED = path.join(import.meta.dirname, '../../shared/airbyte');
const WARM = 200;
const TIMED = 400;

interface Case {
  template: string;
  context: Dict;
}

function publicCases(): Case[] {
  const { contexts } = JSON.parse(readFileSync(path.join(SHARED, 'golden-jinja.meta.json'), 'utf8')) as {
    contexts: Dict[];
  };
  const lines = readFileSync(path.join(SHARED, 'golden-jinja.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { template: string; ctx: number; config: Dict; parameters: Dict });
  return lines.map(({ template, ctx, config, parameters }) => ({
    template,
    context: { ...contexts[ctx]!, config, parameters },
  }));
}

function ownCases(): Case[] {
  const text = readFileSync(path.join(import.meta.dirname, '../test/manifests/source-intercom.yaml'), 'utf8');
  const context: Dict = {
    config: { access_token: 't', start_date: '2024-01-01T00:00:00Z' },
    parameters: { path: 'tags', records: 'data' },
    response: { pages: { next: { starting_after: 'x' } }, data: [] },
    stream_slice: { id: '1', start_time: 1, end_time: 2 },
  };
  return [...text.matchAll(/"([^"\n]*\{\{[^"\n]*)"/g)].map(([, template]) => ({ template: template!, context }));
}

function timeRenders(): void {
  const templates = new Templates();
  const cases = existsSync(SHARED) ? publicCases() : ownCases();
  const times: number[] = [];
  for (const { template, context } of cases) {
    try {
      for (let i = 0; i < WARM; i++) templates.evaluate(template, context);
    } catch (error) {
      if (error instanceof TemplateError) continue;
      throw error;
    }
    const started = process.hrtime.bigint();
    for (let i = 0; i < TIMED; i++) templates.evaluate(template, context);
    times.push(Number(process.hrtime.bigint() - started) / TIMED);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))]!);
  const figures = { templates: times.length, median_ns: at(0.5), p90_ns: at(0.9), slowest_ns: at(1) };
  printTable(Object.keys(figures), [Object.values(figures)]);
  finish({ bench: 'templates', figures, targets: { median_ns: { atMost: 1000 } } });
}

const { values } = parseArgs({
  strict: false,
  options: { count: { type: 'string' }, seed: { type: 'string' }, record: { type: 'string' } },
});
if (values['count'] !== undefined) compareWithCdk(Number(values['count']), Number(values['seed'] ?? 1));
else timeRenders();
