/** A Restate server that a test or a bench owns: started, killed and started again on the same data and ports. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, openSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { installed } from './installed.js';

const PACKAGE = '@restatedev/restate-server';
const VERSION = '1.7.12';

/** Installed when it is first asked for; undefined where that cannot be: what needs it is skipped, by name. */
export function restateBinary(): string | undefined {
  const folder = installed(`restate-${VERSION}`, [`${PACKAGE}@${VERSION}`]);
  if (folder === undefined) return undefined;
  const platform = `${PACKAGE}-${process.platform}-${process.arch}`;
  const binary = path.join(folder, 'node_modules', platform, 'bin', 'restate-server');
  return existsSync(binary) ? binary : undefined;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class RestateServer {
  private process: ChildProcess | undefined;
  private readonly endpoints = new Set<string>();

  private constructor(
    private readonly folder: string,
    private readonly ports: { ingress: number; admin: number; node: number },
  ) {}

  get ingress(): string {
    return `http://127.0.0.1:${this.ports.ingress}`;
  }

  get admin(): string {
    return `http://127.0.0.1:${this.ports.admin}`;
  }

  /** Names of what an invocation has done, and of what it waits for. */
  async journalOf(invocation: string): Promise<string[]> {
    const answer = await fetch(`${this.admin}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query: `select name from sys_journal where id = '${invocation}' order by index` }),
    });
    const { rows } = (await answer.json()) as { rows: { name: string | null }[] };
    return rows.flatMap(({ name }) => (name === null || name === '' ? [] : [name]));
  }

  static async open(folder: string): Promise<RestateServer> {
    mkdirSync(folder, { recursive: true });
    const server = new RestateServer(folder, {
      ingress: await freePort(),
      admin: await freePort(),
      node: await freePort(),
    });
    await server.start();
    return server;
  }

  /** What it wrote last, for who looks for a fault. */
  log(): string {
    return readFileSync(path.join(this.folder, 'log'), 'utf8').slice(-2000);
  }

  /** Makes an endpoint known; again after a loss of all data. */
  async register(url: string): Promise<void> {
    this.endpoints.add(url);
    for (let tries = 0; ; tries++) {
      const answer = await fetch(`http://127.0.0.1:${this.ports.admin}/deployments`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ uri: url, force: true }),
      }).catch(() => undefined);
      const text = await answer?.text();
      if (answer?.ok) return;
      if (tries > 100) throw new Error(`the endpoint could not be registered: ${text ?? 'no answer'}\n${this.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async kill(): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  private async start(): Promise<void> {
    const log = openSync(path.join(this.folder, 'log'), 'a');
    const { ingress, admin, node } = this.ports;
    this.process = spawn(restateBinary()!, ['--base-dir', path.join(this.folder, 'data'), '--node-name', 'headrace'], {
      stdio: ['ignore', log, log],
      env: {
        RESTATE_DISABLE_TELEMETRY: 'true',
        RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
        RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
        RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
        RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${node}`,
        RESTATE_DEFAULT_NUM_PARTITIONS: '2',
        RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE: '256MB',
        RESTATE_LOG_FILTER: 'error',
      },
    });
    for (let tries = 0; ; tries++) {
      if (
        (await fetch(`http://127.0.0.1:${admin}/health`).catch(() => undefined))?.ok &&
        (await fetch(`${this.ingress}/restate/health`).catch(() => undefined))?.ok
      )
        return;
      if (tries > 300) throw new Error(`Restate did not start:\n${this.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
