/**
 * Traces of tasks, for those who name a collector in the environment: OTEL_EXPORTER_OTLP_ENDPOINT and the other
 * variables of OpenTelemetry. A span for each attempt of a task, one inside it for each stream. Loaded only then: its
 * code takes a quarter of a second.
 */
import type { Span, Tracer } from '@opentelemetry/api';
import { ConfigError, messageOf } from '../base/errors.js';
import { redact } from '../base/log.js';
import type { RunEvent } from '../engine/report/events.js';
import type { ClaimedTask } from '../fleet/scheduler/task.js';
import { VERSION } from '../base/version.js';

export interface Tracing {
  began(task: ClaimedTask): void;
  told(task: ClaimedTask, event: RunEvent): void;
  ended(task: ClaimedTask, state: string, error: string | undefined): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

/** Undefined where nothing asks for traces. Throws ConfigError where they are asked for and cannot be sent. */
export async function openTracing(env: NodeJS.ProcessEnv): Promise<Tracing | undefined> {
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (!endpoint || env['OTEL_SDK_DISABLED'] === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') return undefined;
  let modules;
  try {
    modules = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/exporter-trace-otlp-http'),
    ]);
  } catch (cause) {
    throw new ConfigError('what sends traces is not installed', {
      code: 'otel_missing',
      place: 'OTEL_EXPORTER_OTLP_ENDPOINT',
      found: messageOf(cause).split('\n')[0],
      next: 'npm install @opentelemetry/api @opentelemetry/sdk-trace-base @opentelemetry/resources @opentelemetry/exporter-trace-otlp-http, or unset the variable',
      cause,
    });
  }
  const [api, { BasicTracerProvider, BatchSpanProcessor }, { resourceFromAttributes }, { OTLPTraceExporter }] = modules;
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': env['OTEL_SERVICE_NAME'] ?? 'headrace',
      'service.version': VERSION,
    }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  return new TaskTracing(provider.getTracer('headrace', VERSION), api, () => provider.shutdown());
}

interface Traced {
  span: Span;
  streams: Map<string, Span>;
}

class TaskTracing implements Tracing {
  private readonly tasks = new Map<string, Traced>();

  constructor(
    private readonly tracer: Tracer,
    private readonly api: typeof import('@opentelemetry/api'),
    private readonly shutdown: () => Promise<void>,
  ) {}

  began(task: ClaimedTask): void {
    const span = this.tracer.startSpan(`${task.kind} ${task.connection}`, {
      root: true,
      attributes: {
        'headrace.connection': task.connection,
        'headrace.partition': task.partition,
        'headrace.kind': task.kind,
        'headrace.task': task.id,
        'headrace.attempt': task.attempt,
      },
    });
    this.tasks.set(keyOf(task), { span, streams: new Map() });
  }

  told(task: ClaimedTask, event: RunEvent): void {
    const traced = this.tasks.get(keyOf(task));
    if (!traced) return;
    const { span, streams } = traced;
    switch (event.type) {
      case 'started':
        return void span.setAttribute('headrace.run', event.runId);
      case 'stream': {
        if (event.status === 'reading') {
          if (!streams.has(event.stream))
            streams.set(
              event.stream,
              this.tracer.startSpan(
                `stream ${event.stream}`,
                { attributes: { 'headrace.stream': event.stream } },
                this.api.trace.setSpan(this.api.ROOT_CONTEXT, span),
              ),
            );
          return;
        }
        const own = streams.get(event.stream);
        if (event.status === 'failed')
          own?.setStatus({ code: this.api.SpanStatusCode.ERROR, message: redact(event.message ?? 'failed') });
        own?.setAttribute('headrace.status', event.status).end();
        streams.delete(event.stream);
        return;
      }
      case 'wait':
        return void span.addEvent('wait', { reason: event.reason, ms: event.ms });
      case 'retry':
        return void span.addEvent('retry', { endpoint: event.endpoint, reason: event.reason, status: event.status });
      case 'note':
        return void span.addEvent('note', { message: redact(event.message) });
      case 'finished':
        return void span.setAttributes({
          'headrace.outcome': event.summary.outcome,
          'headrace.rows': event.summary.rows,
          'headrace.requests': event.summary.requests,
          'headrace.rejections': event.summary.rejections,
        });
      default:
    }
  }

  ended(task: ClaimedTask, state: string, error: string | undefined): void {
    const traced = this.tasks.get(keyOf(task));
    if (!traced) return;
    this.tasks.delete(keyOf(task));
    for (const span of traced.streams.values()) span.end();
    traced.span.setAttribute('headrace.state', state);
    if (error !== undefined) traced.span.setStatus({ code: this.api.SpanStatusCode.ERROR, message: redact(error) });
    traced.span.end();
  }

  async close(): Promise<void> {
    for (const { span, streams } of this.tasks.values()) for (const each of [...streams.values(), span]) each.end();
    // A collector that is away must not keep a service from ending well.
    await this.shutdown().catch(() => {});
  }
}

const keyOf = ({ id, attempt }: ClaimedTask) => `${id}/${attempt}`;
