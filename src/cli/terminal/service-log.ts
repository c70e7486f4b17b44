/**
 * What a service tells: lines for people on stderr, or JSON on stdout with the ids of task, attempt and run; all of it
 * redacted.
 */
import pc from 'picocolors';
import { pino, type Logger } from 'pino';
import { systemClock } from '../../base/clock.js';
import { ConfigError } from '../../base/errors.js';
import { redact } from '../../base/log.js';
import type { RunEvent } from '../../engine/report/events.js';
import type { ClaimedTask } from '../../fleet/scheduler/task.js';
import type { WorkerEvent } from '../../fleet/scheduler/worker.js';
import { note } from './output.js';
import type { Tracing } from '../tracing.js';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

const now = () => new Date(systemClock.now()).toISOString();

export class ServiceLog {
  private readonly logger: Logger | undefined;
  private readonly level: Level;
  /** Runs of the tasks that are under way. */
  private readonly runs = new Map<number, string>();

  /** `HEADRACE_LOG_LEVEL`: debug, info, warn or error. Throws ConfigError. */
  constructor(
    json: boolean,
    env: NodeJS.ProcessEnv,
    private readonly tracing?: Tracing | undefined,
  ) {
    const level = env['HEADRACE_LOG_LEVEL'] ?? 'info';
    if (!(LEVELS as readonly string[]).includes(level))
      throw new ConfigError('there is no such level', {
        code: 'bad_log_level',
        place: 'HEADRACE_LOG_LEVEL',
        expected: LEVELS.join(', '),
        found: level,
      });
    this.level = level as Level;
    // Written at once: what a process says last is what one looks for after its end.
    this.logger = json
      ? pino(
          {
            base: null,
            level,
            messageKey: 'message',
            timestamp: () => `,"at":"${now()}"`,
            formatters: { level: (label) => ({ level: label }) },
          },
          { write: (line) => void process.stdout.write(redact(line)) },
        )
      : undefined;
  }

  tell(level: Level, fields: Record<string, unknown> & { type: string }, text: string): void {
    if (this.logger) this.logger[level](fields, text);
    else if (LEVELS.indexOf(level) >= LEVELS.indexOf(this.level))
      note(`${pc.dim(now())} ${level === 'warn' ? pc.yellow(text) : level === 'error' ? pc.red(text) : text}`);
  }

  trouble(message: string): void {
    this.tell('warn', { type: 'trouble' }, message);
  }

  worker(event: WorkerEvent): void {
    switch (event.type) {
      case 'joined':
        return this.tell('info', { ...event }, `joined as ${event.worker}`);
      case 'task_started': {
        this.tracing?.began(event.task);
        return this.tell(
          'info',
          { type: 'task_started', ...this.ids(event.task), kind: event.task.kind },
          `${event.task.connection}: ${event.task.kind} begins (task ${event.task.id}, attempt ${event.task.attempt})`,
        );
      }
      case 'task_settled': {
        const { task, state, error, result } = event;
        this.tracing?.ended(task, state, error);
        const text = `${task.connection}: ${task.kind} ${state === 'done' ? pc.green('done') : state} (task ${task.id})${error === undefined ? '' : `: ${error}`}`;
        this.tell(
          state === 'dead' ? 'error' : error === undefined ? 'info' : 'warn',
          {
            type: 'task_settled',
            ...this.ids(task),
            kind: task.kind,
            state,
            ...(error === undefined ? {} : { error }),
            ...(result === undefined ? {} : { result }),
          },
          text,
        );
        this.runs.delete(task.id);
        return;
      }
      case 'trouble':
        return this.trouble(event.message);
    }
  }

  /** What a run tells: for machines; people look at the dashboard. */
  run(task: ClaimedTask, event: RunEvent): void {
    this.tracing?.told(task, event);
    if (event.type === 'started') this.runs.set(task.id, event.runId);
    if (!this.logger || event.type === 'committed' || event.type === 'split') return;
    const text = event.type === 'note' ? event.message : event.type;
    this.tell(
      event.type === 'wait' || event.type === 'retry' ? 'debug' : 'info',
      { ...event, ...this.ids(task) },
      text,
    );
  }

  private ids({ id, attempt, connection }: ClaimedTask): Record<string, unknown> {
    const run = this.runs.get(id);
    return { connection, task: id, attempt, ...(run === undefined ? {} : { run }) };
  }
}
