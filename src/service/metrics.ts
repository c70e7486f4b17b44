/** /metrics: the fleet as the database knows it, so that any server tells of all, and this process. */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { LIMITS } from '../base/bounds.js';
import type { Pool } from '../postgres/pool.js';

interface Reading {
  labels: Record<string, string>;
  value: number;
}

/** [name, type, help, SQL with columns of labels and `value`]. */
const FLEET: { name: string; type: 'gauge' | 'counter'; help: string; labels: string[]; sql: string }[] = [
  {
    name: 'headrace_tasks',
    type: 'gauge',
    help: 'Tasks by state',
    labels: ['state'],
    sql: `select s.state, count(t.id) as value
      from unnest(array['queued', 'delayed', 'paused', 'running', 'dead']) s(state) left join _headrace.task t
      on t.state = s.state group by 1`,
  },
  {
    name: 'headrace_workers',
    type: 'gauge',
    help: 'Workers that hold a lease',
    labels: [],
    sql: 'select count(*) as value from _headrace.worker where lease_until > now()',
  },
  {
    name: 'headrace_worker_slots',
    type: 'gauge',
    help: 'Tasks that the workers can run at once',
    labels: [],
    sql: 'select coalesce(sum(slots), 0) as value from _headrace.worker where lease_until > now() and not draining',
  },
  {
    name: 'headrace_oldest_waiting_seconds',
    type: 'gauge',
    help: 'Age of the task that is due and waits the longest',
    labels: [],
    sql: `select coalesce(extract(epoch from now() - min(run_at)), 0)::float8 as value from _headrace.task
      where state = 'queued'`,
  },
  {
    name: 'headrace_webhook_events_waiting',
    type: 'gauge',
    help: 'Events of webhooks that no task has read yet',
    labels: [],
    sql: 'select count(*) as value from _headrace.webhook_event where handled_at is null',
  },
  {
    name: 'headrace_app_running',
    type: 'gauge',
    help: 'Running tasks of an app',
    labels: ['app'],
    sql: 'select app, sum(running)::float8 as value from _headrace.partition group by 1',
  },
  {
    name: 'headrace_app_cap',
    type: 'gauge',
    help: "Tasks that an app's partitions may run at once",
    labels: ['app'],
    sql: 'select app, sum(cap)::float8 as value from _headrace.partition group by 1',
  },
];

const EACH = (column: string, of = 't') => ({
  labels: ['connection'],
  sql: `select k.id as connection, ${of}.${column} as value from _headrace.connection_config k
    join _headrace.connection_total ${of} on ${of}.connection_id = k.id`,
});
const CONNECTIONS: typeof FLEET = [
  { name: 'headrace_rows_total', type: 'counter', help: 'Rows committed by runs', ...EACH('rows') },
  { name: 'headrace_requests_total', type: 'counter', help: 'Requests sent', ...EACH('requests') },
  {
    name: 'headrace_rejections_total',
    type: 'counter',
    help: 'Requests that the API rejected for its limit',
    ...EACH('rejections'),
  },
  { name: 'headrace_runs_total', type: 'counter', help: 'Runs that ended', ...EACH('runs') },
  {
    name: 'headrace_freshness_seconds',
    type: 'gauge',
    help: 'Age of what is stored: since the start of the last complete run',
    labels: ['connection'],
    sql: `select k.id as connection, extract(epoch from now() - t.fresh_as_of)::float8 as value
      from _headrace.connection_config k join _headrace.connection_total t on t.connection_id = k.id
      where t.fresh_as_of is not null`,
  },
  {
    name: 'headrace_dead_tasks',
    type: 'gauge',
    help: 'Dead letters of a connection',
    labels: ['connection'],
    sql: `select connection_id as connection, count(*) as value from _headrace.task where state = 'dead' group by 1`,
  },
];

export class Metrics {
  private readonly registry = new Registry();
  private readonly requests: Histogram<'method' | 'route' | 'status'>;

  constructor(private readonly pool: Pool) {
    collectDefaultMetrics({ register: this.registry, prefix: 'headrace_process_' });
    this.requests = new Histogram({
      name: 'headrace_http_request_duration_seconds',
      help: 'Requests to this server',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.02, 0.05, 0.1, 0.5, 2, 10],
      registers: [this.registry],
    });
    new Gauge({ name: 'headrace_up', help: '1: this server answers', registers: [this.registry] }).set(1);
  }

  observe(method: string, route: string, status: number, seconds: number): void {
    this.requests.observe({ method, route, status: String(status) }, seconds);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  async text(): Promise<string> {
    const [{ count }] = (await this.pool.query<{ count: number }>(
      'select count(*) as count from _headrace.connection_config',
    )) as [{ count: number }];
    const wanted = count > LIMITS.metricsConnections ? FLEET : [...FLEET, ...CONNECTIONS];
    const parts = await Promise.all(
      wanted.map(async ({ name, type, help, labels, sql }) => {
        const readings = (await this.pool.query(sql)).map((row): Reading => ({
          labels: Object.fromEntries(labels.map((label) => [label, String(row[label])])),
          value: Number(row['value']),
        }));
        return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${readings.map((reading) => line(name, reading)).join('')}`;
      }),
    );
    return `${parts.join('\n')}\n${await this.registry.metrics()}`;
  }
}

function line(name: string, { labels, value }: Reading): string {
  const text = Object.entries(labels)
    .map(([label, of]) => `${label}="${of.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`)
    .join(',');
  return `${name}${text === '' ? '' : `{${text}}`} ${value}\n`;
}
