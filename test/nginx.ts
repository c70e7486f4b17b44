/** A real nginx where there is one, in front of a service as a user would put it there. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { until } from './service-support.js';

/** Undefined: tests that need it are skipped, by name. */
export const NGINX = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/bin/nginx', '/opt/homebrew/bin/nginx'].find(
  existsSync,
);

/** `location`: what stands in the block of the site beside `proxy_pass`. */
export async function startNginx(
  folder: string,
  upstream: string,
  location = '',
): Promise<{ url: string; close: () => Promise<void> }> {
  const port = await freePort();
  const config = path.join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ');
  writeFileSync(
    config,
    `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; worker_processes 1; events {}
http { access_log off; ${temporary}
  server { listen 127.0.0.1:${port}; location / { proxy_pass ${upstream}; ${location} } } }\n`,
  );
  // Started as root, its workers would be of a user who may not read the folder.
  const asRoot = process.getuid?.() === 0 ? 'user root;' : '';
  const child = spawn(NGINX!, ['-p', folder, '-c', config, '-g', asRoot], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/healthz`).catch(() => undefined))?.status !== undefined);
  return {
    url,
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
