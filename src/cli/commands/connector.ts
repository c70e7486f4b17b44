/** headrace connector: test, lint and diff manifests. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../base/clock.js';
import {
  compareManifests,
  lintConnector,
  loadManifest,
  openConnector,
  readConfigFile,
  twinsFor,
  type Finding,
} from '../../wiring/compose-manifest.js';
import { ConfigError, EXIT, messageOf } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import type { DataRecord } from '../../base/catalog.js';
import type { Page, Stream } from '../../sources/contract.js';
import { json, out, table } from '../terminal/output.js';

interface TestFlags {
  config: string;
  components?: string;
  baseUrl?: string;
  streams?: string[];
  records: number;
  json?: boolean;
}

interface StreamResult {
  stream: string;
  status: 'ok' | 'empty' | 'failed';
  records: DataRecord[];
  /** What the records and the manifest disagree on. */
  remarks: string[];
  error?: string;
}

/** How much of a body is shown. */
const SHOWN = 600;
const MOST_PARENTS = 5;
const MOST_WINDOWS = 20;

export async function test([file]: (string | undefined)[], flags: TestFlags): Promise<number> {
  const requests: string[] = [];
  const opened = await openConnector({
    manifest: file!,
    config: readConfigFile(flags.config),
    components: flags.components,
    baseUrl: flags.baseUrl,
    streams: flags.streams,
    onExchange: ({ stream, method, url, headers, body, status, answer }) => {
      if (flags.json) json({ type: 'exchange', stream, method, url, headers, body, status, answer: shown(answer) });
      else
        requests.push(
          `  > ${method} ${url}${body === undefined ? '' : `\n    ${body.slice(0, SHOWN)}`}\n    ${Object.entries(
            headers,
          )
            .map(([name, value]) => `${name}: ${value}`)
            .join('; ')}\n  < ${status} ${shown(answer)}`,
        );
    },
  });
  const tell = (title: string, result: string) => {
    if (!flags.json) out([title, ...requests.splice(0), `  ${result}`].join('\n'));
  };
  const signal = new AbortController().signal;
  try {
    for (const note of opened.notes) tell('note', note);
    const account = await opened.source.check(signal);
    tell('check', `the connection works (${account.id})`);
    const results: StreamResult[] = [];
    for (const stream of opened.source.streams.filter(({ stored }) => stored)) {
      const result = await readSome(stream, opened.source.streams, flags.records, signal);
      results.push(result);
      if (flags.json) json({ type: 'stream', ...result });
      else
        tell(
          `stream ${stream.name}`,
          [
            `${result.status}, ${result.records.length} records${result.error ? `: ${result.error}` : ''}`,
            ...result.remarks.map((remark) => `  ${remark}`),
          ].join('\n  '),
        );
    }
    if (!flags.json)
      out(
        `\n${table(
          ['stream', 'status', 'records', 'remarks'],
          results.map(({ stream, status, records, remarks }) => [stream, status, records.length, remarks.length]),
        )}`,
      );
    return results.some(({ status }) => status === 'failed') ? EXIT.partial : EXIT.complete;
  } finally {
    await opened.source.close();
  }
}

async function readSome(stream: Stream, all: Stream[], most: number, signal: AbortSignal): Promise<StreamResult> {
  const result: StreamResult = { stream: stream.name, status: 'empty', records: [], remarks: [] };
  try {
    for (const slice of await firstSlices(stream, all, signal)) {
      let cursor: string | null = null;
      for (let pages = 0; result.records.length < most && pages < MOST_PARENTS; pages++) {
        const page: Page = await (pages === 0
          ? first(stream, slice, signal)
          : ask(stream, { cursor, slice, number: pages }, signal));
        result.records.push(...page.records.slice(0, most - result.records.length));
        if (!page.hasMore) break;
        cursor = page.next;
      }
      if (result.records.length >= most) break;
    }
    if (result.records.length > 0) result.status = 'ok';
    result.remarks = remarksOn(stream, result.records);
  } catch (error) {
    result.status = 'failed';
    result.error = messageOf(error);
  }
  return result;
}

/** The first few slices of a stream, through its parents; one undefined where it has none. */
async function firstSlices(stream: Stream, all: Stream[], signal: AbortSignal): Promise<(string | undefined)[]> {
  const { division } = stream;
  if (division.kind !== 'slices') return [undefined];
  if ('list' in division.of) return (await division.of.list()).slice(0, MOST_PARENTS);
  const { parent: name, slice } = division.of;
  const parent = all.find((candidate) => candidate.name === name)!;
  const found: string[] = [];
  for (const from of await firstSlices(parent, all, signal)) {
    const page = await first(parent, from, signal);
    for (const record of page.records) found.push(...[slice(record, from) ?? []].flat());
    if (found.length >= MOST_PARENTS) break;
  }
  return found.slice(0, MOST_PARENTS);
}

/** First pages, read once: some APIs let only one reader begin. */
const firstPages = new Map<string, Promise<Page>>();

function first(stream: Stream, slice: string | undefined, signal: AbortSignal): Promise<Page> {
  const key = `${stream.name} ${slice ?? ''}`;
  const known =
    firstPages.get(key) ??
    (stream.division.kind === 'range'
      ? newest(stream, signal)
      : ask(stream, { cursor: null, slice, number: 0 }, signal));
  firstPages.set(key, known);
  return known;
}

/** The latest window that has rows. */
async function newest(stream: Stream, signal: AbortSignal): Promise<Page> {
  const { division } = stream;
  const now = Math.ceil(systemClock.now() / 1000);
  const window = division.kind === 'range' ? division.window : undefined;
  let page: Page;
  // Without a window the first page is the answer.
  for (let lt = now, tries = 0; ; lt -= window!, tries++) {
    page = await stream.page({
      gte: window === undefined ? null : lt - window,
      lt,
      cursor: null,
      signal,
      weight: () => Infinity,
    });
    if (page.records.length > 0 || window === undefined || tries >= MOST_WINDOWS) return page;
  }
}

function ask(
  stream: Stream,
  { cursor, slice, number }: { cursor: string | null; slice: string | undefined; number: number },
  signal: AbortSignal,
): Promise<Page> {
  return stream.page({
    gte: null,
    lt: null,
    cursor,
    ...(slice === undefined ? {} : { slice }),
    ...(stream.division.kind === 'numbered' ? { number } : {}),
    signal,
    weight: () => Infinity,
  });
}

function remarksOn(stream: Stream, records: DataRecord[]): string[] {
  const remarks: string[] = [];
  for (const field of stream.primaryKey)
    if (records.some((record) => record[field] === undefined || record[field] === null))
      remarks.push(`records without ${field}, which is of the primary key`);
  const keys = records.map((record) => JSON.stringify(stream.primaryKey.map((field) => String(record[field]))));
  if (stream.primaryKey.length > 0 && new Set(keys).size < keys.length)
    remarks.push('two records have the same primary key');
  const known = stream.schema.properties ?? {};
  const unknown = [...new Set(records.flatMap((record) => Object.keys(record)))].filter(
    (field) => !Object.hasOwn(known, field),
  );
  if (unknown.length > 0)
    remarks.push(
      `fields that the schema does not have: ${unknown.slice(0, 12).join(', ')}${unknown.length > 12 ? ` and ${unknown.length - 12} more` : ''}`,
    );
  return remarks;
}

function shown(answer: unknown): string {
  const text =
    answer === undefined ? '' : stringifyJson(Array.isArray(answer) && answer.length === 1 ? answer[0] : answer);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)} … (${text.length} characters)` : text;
}

export async function lint(
  [folder]: (string | undefined)[],
  flags: { components?: string; previous?: string; json?: boolean },
): Promise<number> {
  const at = path.resolve(folder!);
  const file = existsSync(at) && statSync(at).isFile() ? at : path.join(at, 'manifest.yaml');
  const beside = (name: string) => {
    const found = path.join(path.dirname(file), name);
    return existsSync(found) ? readFileSync(found, 'utf8') : undefined;
  };
  let findings: Finding[];
  try {
    findings = lintConnector({
      manifest: loadManifest(file),
      twins: await twinsFor(file, flags.components),
      metadata: beside('metadata.yaml'),
      changelog: beside('CHANGELOG.md'),
      previous: flags.previous,
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    findings = [
      {
        level: 'error',
        where: error.place ?? 'manifest',
        message: `${error.message}: expected ${error.expected ?? 'something else'}, found ${error.found ?? 'this'}`,
      },
    ];
  }
  const errors = findings.filter(({ level }) => level === 'error').length;
  for (const finding of findings) {
    if (flags.json) json(finding);
    else out(`${finding.level}: ${finding.where}: ${finding.message}`);
  }
  if (!flags.json)
    out(findings.length === 0 ? 'nothing to remark' : `${errors} errors, ${findings.length - errors} warnings`);
  return errors > 0 ? EXIT.failed : EXIT.complete;
}

export async function diff([old, next]: (string | undefined)[], flags: { json?: boolean }): Promise<number> {
  const changes = compareManifests(loadManifest(old!), loadManifest(next!));
  const broken = changes.filter(({ kind }) => kind === 'breaking').length;
  const stuck = changes.filter(({ blocksReturn }) => blocksReturn);
  if (flags.json) {
    for (const change of changes) json(change);
    json({
      type: 'summary',
      breaking: broken,
      compatible: changes.length - broken,
      return_is_safe: stuck.length === 0,
    });
    return broken > 0 ? EXIT.failed : EXIT.complete;
  }
  for (const { kind, where, what } of changes.toSorted((a, b) => (a.kind < b.kind ? -1 : 1)))
    out(`${kind}: ${where}: ${what}`);
  out(
    changes.length === 0
      ? 'nothing that users see has changed'
      : `${broken} breaking, ${changes.length - broken} compatible`,
  );
  out(
    stuck.length === 0
      ? 'going back is safe'
      : `going back is not safe: ${stuck.map(({ where, what }) => `${where} (${what})`).join('; ')}`,
  );
  return broken > 0 ? EXIT.failed : EXIT.complete;
}
