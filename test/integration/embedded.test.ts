import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/postgres/connect.js';
import { EmbeddedServer, embeddedPlace } from '../../src/postgres/embedded/server.js';
import { scratch } from '../support.js';

let work: { folder: string; drop: () => void };
beforeEach(() => {
  work = scratch();
});
afterEach(() => work.drop());

const pidOf = (folder: string) =>
  Number(readFileSync(path.join(folder, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
const running = (pid: number) => existsSync(`/proc/${pid}`);

describe('the embedded server', () => {
  test('who comes second attaches, and the last to leave stops it', async () => {
    const first = await EmbeddedServer.open(work.folder);
    const pid = pidOf(work.folder);
    const second = await EmbeddedServer.open(work.folder);
    expect(pidOf(work.folder)).toBe(pid);
    await first.close();
    const client = await connect(second.target, 'test');
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await client.end();
    await second.close();
    expect(existsSync(path.join(work.folder, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  });

  test("a kill while it was created, which left an empty password, stands in nobody's way", async () => {
    mkdirSync(path.join(work.folder, 'postgres'), { recursive: true });
    writeFileSync(path.join(work.folder, 'postgres', 'password'), '');
    const server = await EmbeddedServer.open(work.folder);
    expect(readFileSync(path.join(work.folder, 'postgres', 'password'), 'utf8').length).toBeGreaterThan(20);
    await server.close();
  });

  test('several processes may open it at the same instant', async () => {
    const servers = await Promise.all(Array.from({ length: 4 }, () => EmbeddedServer.open(work.folder)));
    expect(new Set(servers.map((server) => server.target.url)).size).toBe(1);
    await Promise.all(servers.map((server) => server.close()));
  });

  test('a postmaster that outlives its killed process is adopted', async () => {
    const script = `import { EmbeddedServer } from ${JSON.stringify(path.join(import.meta.dirname, '../../dist/postgres/embedded/server.js'))}; await EmbeddedServer.open(${JSON.stringify(work.folder)}); console.log('open'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const pid = pidOf(work.folder);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    expect(running(pid)).toBe(true);
    const adopted = await EmbeddedServer.open(work.folder);
    expect(pidOf(work.folder)).toBe(pid);
    await adopted.close();
    expect(existsSync(path.join(work.folder, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  });

  test('a postmaster that was killed is started again, and what was committed is there', async () => {
    const first = await EmbeddedServer.open(work.folder);
    const client = await connect(first.target, 'test');
    await client.query('create table kept (x int)');
    await client.query('set synchronous_commit = on');
    await client.query('insert into kept values (42)');
    process.kill(pidOf(work.folder), 'SIGKILL');
    await client.end().catch(() => {});
    const second = await EmbeddedServer.open(work.folder);
    const again = await connect(second.target, 'test');
    expect((await again.query('select x from kept')).rows).toEqual([{ x: 42 }]);
    await again.end();
    await first.close();
    await second.close();
  });

  test('its socket lies beside its data, and what a killed start left there goes with the next one', async () => {
    const folder = path.join(work.folder, 'postgres');
    mkdirSync(path.join(folder, 'socket-killed'), { recursive: true });
    utimesSync(path.join(folder, 'socket-killed'), 0, 0);
    const before = readdirSync(tmpdir());
    const server = await EmbeddedServer.open(work.folder);
    const sockets = () => readdirSync(folder).filter((name) => name.startsWith('socket-'));
    expect(sockets()).toEqual([path.basename(server.target.options.host!)]);
    expect(path.dirname(server.target.options.host!)).toBe(folder);
    expect(readdirSync(tmpdir()).filter((name) => !before.includes(name) && /^headrace-\w{6}$/.test(name))).toEqual([]);
    await server.close();
    expect(sockets()).toEqual([]);
  });

  test('where the path of a socket would be too long, it lies below the temporary folder', async () => {
    const server = await EmbeddedServer.open(path.join(work.folder, 'x'.repeat(90)));
    const { host } = server.target.options;
    expect(path.dirname(host!)).toBe(tmpdir());
    await server.close();
    expect(existsSync(host!)).toBe(false);
  });

  test('it listens on no TCP port, and wants its password', async () => {
    const server = await EmbeddedServer.open(work.folder);
    const client = await connect(server.target, 'test');
    expect((await client.query('show listen_addresses')).rows).toEqual([{ listen_addresses: '' }]);
    await client.end();
    await expect(
      connect({ ...server.target, options: { ...server.target.options, password: 'wrong' } }, 'test'),
    ).rejects.toMatchObject({ code: 'database_login' });
    await server.close();
  });

  test("below a folder that the database's account cannot enter, a fallback place is used, and said", async () => {
    const closed = path.join(work.folder, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o700);
    const place = embeddedPlace(closed, { uid: 65534, gid: 65534 });
    expect(place.notice).toContain(place.folder);
    expect(place.folder.startsWith(closed)).toBe(false);
    expect(embeddedPlace(work.folder, { uid: 65534, gid: 65534 }).notice).toBeUndefined();
  });
});
