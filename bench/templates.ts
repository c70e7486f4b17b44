/**
 * A render of each template, in nanoseconds: those of public manifests where they lie beside the project, else those of
 * our own manifest.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Templates } from '../src/sources/manifest/templates/template.js';
import { TemplateError, type Dict } from '../src/sources/manifest/templates/values.js';
import { finish, printTable } from './lib/report.js';

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
