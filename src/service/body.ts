/** Bodies of requests as Node.js brings them: a stream of the web's around each costs more than a small body does. */
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

/** The whole body; undefined where it has more bytes than `most`, of which no more are kept. */
export async function bodyOf(context: Context, most: number): Promise<Buffer | undefined> {
  const { incoming } = (context.env ?? {}) as Partial<HttpBindings>;
  if (incoming === undefined) {
    const body = Buffer.from(await context.req.arrayBuffer());
    return body.length > most ? undefined : body;
  }
  if (Number(incoming.headers['content-length'] ?? 0) > most) return undefined;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= most) chunks.push(chunk);
      else resolve(undefined);
    });
    incoming.on('end', () => resolve(Buffer.concat(chunks)));
    incoming.on('error', reject);
    incoming.on('close', () => reject(new Error('the request was cut off')));
  });
}
