/**
 * Where a run stands as Prometheus text (exposition format 0.0.4), for the textfile collector of node_exporter and the
 * like.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { ConfigError, messageOf } from '../base/errors.js';
import { redact } from '../base/log.js';
import type { Progress } from '../engine/report/events.js';

type Sample = [labels: Record<string, string>, value: number];

export function metricsText(connection: string, progress: Progress): string {
  const said = Object.entries(progress.rejectedFor);
  const families: [name: string, type: 'counter' | 'gauge', help: string, samples: Sample[]][] = [
    [
      'headrace_rows_total',
      'counter',
      'Rows committed by this run.',
      progress.streams.map((stream) => [{ stream: stream.name }, stream.rows]),
    ],
    ['headrace_requests_total', 'counter', 'Requests sent by this run.', [[{}, progress.requests]]],
    [
      'headrace_rejections_total',
      'counter',
      'Requests that a limit refused, by what the server said.',
      said.map(([reason, times]) => [{ reason }, times]),
    ],
    [
      'headrace_limit_per_second',
      'gauge',
      'What the gate aims at, by limit.',
      progress.limits.flatMap((limit) =>
        limit.perSecond === undefined
          ? []
          : [[{ limit: limit.name, known_by: limit.knownBy }, limit.perSecond] as Sample],
      ),
    ],
    [
      'headrace_limit_used_ratio',
      'gauge',
      'Part of the limit that is used.',
      progress.limits.flatMap((limit) =>
        limit.percent === undefined ? [] : [[{ limit: limit.name }, limit.percent / 100] as Sample],
      ),
    ],
    [
      'headrace_wait_seconds',
      'gauge',
      'How long requests still wait, by reason.',
      progress.waits.map((wait) => [{ reason: wait.reason, limit: wait.limit ?? '' }, wait.ms / 1000]),
    ],
    ['headrace_buffered_bytes', 'gauge', 'Pages fetched and not committed yet.', [[{}, progress.bufferedBytes]]],
  ];
  return families
    .filter(([, , , samples]) => samples.length > 0)
    .map(
      ([name, type, help, samples]) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(([labels, value]) => `${name}${labelText({ connection, ...labels })} ${value}\n`).join('')}`,
    )
    .join('');
}

/** Replaces the file as a whole, so that no reader sees half of it. */
export function writeMetrics(file: string, text: string): void {
  try {
    writeFileSync(`${file}.part`, redact(text));
    renameSync(`${file}.part`, file);
  } catch (cause) {
    rmSync(`${file}.part`, { force: true });
    throw new ConfigError('the metrics cannot be written', {
      code: 'metrics_file',
      place: file,
      found: messageOf(cause),
      next: 'name a file in a folder that exists and may be written to',
      cause,
    });
  }
}

function labelText(labels: Record<string, string>): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`;
}
