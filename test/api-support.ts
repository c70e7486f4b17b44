/** A service with a simulated API beside it, and what its API is asked and answers. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { ApiError } from '../src/service/client/index.js';
import { ROLES } from '../src/service/tokens.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../src/testbed/index.js';
import { tinyManifest } from './dashboard-support.js';
import { startService, type TestService } from './service-support.js';

export const METHODS = ['get', 'post', 'put', 'delete'] as const;
/** A key that the testbed refuses, so that it appears wherever errors are told. */
export const REFUSED_KEY = ['sk', 'live', 'refusedkeythatmustneverbeshown'].join('_');
export const PASSWORD = 'pass-word-that-must-never-be-shown';
export const HOOK = 'whsec_thathookmustneverbeshown';

export let testbed: StripeTestbed;
export let service: TestService;

export const source = (more: Record<string, unknown> = {}) => ({
  connector: 'stripe',
  api_key: TESTBED_LIVE_KEY,
  base_url: testbed.url,
  streams: ['customers', 'charges'],
  rate_limit: { global: 1000, endpoint: 1000 },
  ...more,
});
export const destination = () => ({ type: 'postgres' as const, url: service.databaseUrl, mode: 'upsert' as const });
export const settings = (more: Record<string, unknown> = {}) => ({
  source: source(),
  destination: destination(),
  max_concurrent_processes: 4,
  ...more,
});

export async function refusal(work: Promise<unknown>): Promise<ApiError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ApiError) return error;
  throw error ?? new Error('it was not refused');
}

export interface Operation {
  method: string;
  path: string;
  operationId: string;
  parameters?: { name: string; in: string; schema: Record<string, unknown> }[];
  requestBody?: { content: { 'application/json': { schema: unknown } } };
  responses: Record<string, { content?: Record<string, { schema: unknown }> }>;
  'x-role': (typeof ROLES)[number];
}

export async function description(): Promise<{
  components: { schemas: Record<string, unknown> };
  paths: Record<string, Record<string, Operation>>;
}> {
  return (await service.fetch(`${service.url}/api/v1/openapi.json`)).json() as never;
}

export async function operations(): Promise<Operation[]> {
  return Object.entries((await description()).paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ ...item[method]!, path, method })),
  );
}

/** Starts both before the tests of a file, and stops them after. */
export function serveApi(): void {
  beforeAll(async () => {
    testbed = await startStripeTestbed({
      rows: 400,
      collections: { charges: { rows: 6000 } },
      limit: '1000/s,endpoint=1000/s',
    });
    service = await startService({
      file: {
        connections: {
          filed: {
            source: { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: testbed.url, streams: ['coupons'] },
            destination: { type: 'postgres', url: '${DATABASE_URL}' },
          },
        },
      },
    });
    mkdirSync(path.join(service.folder, 'manifests'));
    writeFileSync(path.join(service.folder, 'manifests', 'source-tiny.yaml'), tinyManifest('https://tiny.example'));
  });
  afterAll(async () => {
    await service?.close();
    await testbed?.close();
  });
}
