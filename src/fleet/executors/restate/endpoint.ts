/**
 * The endpoint that a Restate server delivers tasks to. Each is adopted by this process's worker, which owns it from
 * then on: its lease, its heartbeat, its end. So a delivery that is repeated, after a crash of the server or of an
 * endpoint, finds the attempt taken and ends.
 */
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createEndpointHandler, service, type Context } from '@restatedev/restate-sdk';
import { ConfigError, codeOf } from '../../../base/errors.js';
import type { ClaimedTask } from '../../scheduler/task.js';
import type { Worker } from '../../scheduler/worker.js';
import { HANDLER, SERVICE } from './executor.js';
import { workflowService, type WorkflowParts } from './workflow.js';

/** Where a server delivers tasks, and the worker that runs them. */
export interface RestateEndpointOptions {
  /** One that does not claim; started. */
  worker: Worker;
  port: number;
  host?: string;
  /** Public keys of the server's request identity: without them, whoever reaches the port may deliver. */
  identityKeys?: string[];
  /** For tasks that the server keeps as workflows. */
  workflows?: WorkflowParts | undefined;
  /** Told of deliveries that broke off; the server repeats them. */
  onTrouble?: (message: string) => void;
}

/** An endpoint that listens. */
export interface RestateEndpoint {
  /** To be registered at the server: `restate deployments register URL`. */
  url: string;
  close(): Promise<void>;
}

/** Listens for what a server delivers: the worker adopts each task, under its own lease, and runs it. */
export async function serveRestate({
  worker,
  port,
  host = '127.0.0.1',
  identityKeys = [],
  workflows,
  onTrouble,
}: RestateEndpointOptions): Promise<RestateEndpoint> {
  const headrace = service({
    name: SERVICE,
    handlers: {
      [HANDLER]: async (_: Context, task: ClaimedTask): Promise<string> =>
        (await worker.adopt(task)) ? 'ran' : 'another has it',
    },
    // A task may take hours without a word to the server; its life is proven by its worker's lease.
    options: {
      inactivityTimeout: { days: 1 },
      abortTimeout: { hours: 1 },
      retryPolicy: {
        initialInterval: 100,
        exponentiationFactor: 2,
        maxInterval: 2000,
        maxAttempts: 1000,
        onMaxAttempts: 'kill',
      },
    },
  });
  const server = createServer(
    createEndpointHandler({
      services: [headrace, ...(workflows ? [workflowService(workflows)] : [])],
      identityKeys,
      logger: ({ level }, message: unknown, ...more: unknown[]) =>
        String(level) === 'error' &&
        onTrouble?.(
          `Restate: ${[message, ...more]
            .map((part) => (part instanceof Error ? part.message : String(part)))
            .join(' ')
            .slice(0, 300)}`,
        ),
    }),
  );
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session.once('close', () => sessions.delete(session))));
  const { port: actual } = await listen(server, host, port);
  return {
    url: `http://${host}:${actual}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}

function listen(server: Http2Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        codeOf(error) === 'EADDRINUSE'
          ? new ConfigError(`port ${port} is taken`, {
              code: 'port_taken',
              expected: 'a free port',
              found: String(port),
              next: 'name another, or 0 for any',
            })
          : error,
      ),
    );
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}
