/** The dashboard's files, kept in memory: few, small, and never looked up by a path that a request names. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Context, Hono } from 'hono';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};
const START = 'index.html';
/** Files with a hash in their name never change. */
const HASHED = /-[\w-]{8}\.\w+$/;

/** Nothing from elsewhere, nothing to elsewhere, and no frame around it. */
export function secured(context: Context, inlineStyle = false): void {
  context.header(
    'Content-Security-Policy',
    `default-src 'none'; script-src 'self'; style-src 'self'${inlineStyle ? ` 'unsafe-inline'` : ''}; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  context.header('X-Content-Type-Options', 'nosniff');
  context.header('Referrer-Policy', 'no-referrer');
}

/** False: there is no dashboard in this folder. */
export function servePages(app: Pick<Hono, 'get'>, folder: string): boolean {
  const files = list(folder);
  for (const file of files) {
    const body = readFileSync(path.join(folder, file));
    const packed = gzipSync(body);
    app.get(file === START ? '/' : `/${file.split(path.sep).join('/')}`, (context) => {
      secured(context);
      context.header('Content-Type', TYPES[path.extname(file)] ?? 'application/octet-stream');
      context.header('Cache-Control', HASHED.test(file) ? 'public, max-age=31536000, immutable' : 'no-cache');
      context.header('Vary', 'Accept-Encoding');
      const packs = /\bgzip\b/.test(context.req.header('accept-encoding') ?? '');
      if (packs) context.header('Content-Encoding', 'gzip');
      return context.body(new Uint8Array(packs ? packed : body));
    });
  }
  return files.includes(START);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      statSync(path.join(folder, name)).isFile(),
    );
  } catch {
    return [];
  }
}
