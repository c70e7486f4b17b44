/**
 * An embedded PostgreSQL whose process the bench owns, so that it can stop it, kill it and start it again at the same
 * place.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type PostgresTarget } from '../../src/postgres/connect.js';
import { findBinaries, serverAccount } from '../../src/postgres/embedded/binaries.js';
import { EmbeddedServer } from '../../src/postgres/embedded/server.js';

export class RestartableServer {
  private process: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly sockets: string,
    readonly target: PostgresTarget,
  ) {}

  static async open(folder: string): Promise<RestartableServer> {
    const prepared = await EmbeddedServer.open(folder);
    const place = prepared.place.folder;
    const { target } = prepared;
    await prepared.close();
    const sockets = mkdtempSync(path.join(tmpdir(), 'headrace-'));
    chmodSync(sockets, 0o700);
    const account = serverAccount();
    if (account) chownSync(sockets, account.uid, account.gid);
    const password = readFileSync(path.join(place, 'password'), 'utf8').trim();
    const server = new RestartableServer(place, sockets, {
      ...target,
      options: { host: sockets, user: target.options.user, password, database: target.options.database },
    });
    await server.start();
    return server;
  }

  /** `immediate`: without writing anything back, as a crash. */
  async restart(how: 'fast' | 'immediate', pauseMs = 0): Promise<void> {
    const exited = new Promise((resolve) => this.process!.once('exit', resolve));
    this.process!.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await exited;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    await this.start();
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.process!.once('exit', resolve));
    this.process!.kill('SIGINT');
    await exited;
    rmSync(this.sockets, { recursive: true, force: true });
  }

  private async start(): Promise<void> {
    const account = serverAccount();
    const { postgres } = findBinaries(account, this.folder);
    this.process = spawn(postgres, ['-D', path.join(this.folder, 'data'), '-k', this.sockets], {
      ...account,
      cwd: '/',
      stdio: 'ignore',
      env: { LC_ALL: 'C', TZ: 'UTC' },
    });
    for (let tries = 0; ; tries++) {
      try {
        return await (await connect(this.target, 'bench')).end();
      } catch (error) {
        if (tries > 600) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}
