/** Files that a user names: read up to a size, and for so long, whatever they turn out to be. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { LIMITS } from './bounds.js';
import { codeOf } from './errors.js';

export class InputTooLarge extends Error {
  override name = 'InputTooLarge';
}

/**
 * The bytes of a file, a pipe (`<(…)`) or a device. Throws InputTooLarge past `maxBytes`, the system's own error where it cannot be
 * read, and an Error where a pipe stays silent. Opened without blocking: a pipe that nobody writes to would hold the process, and
 * keep it from its signals.
 */
export function readInputFile(file: string, maxBytes: number): Buffer {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for (let chunk = nextChunk(descriptor); chunk.length > 0; chunk = nextChunk(descriptor)) {
      size += chunk.length;
      if (size > maxBytes) throw new InputTooLarge(`more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    closeSync(descriptor);
  }
}

const CHUNK_BYTES = 64 * 1024;
const POLL_MS = 20;

/** Empty at the end. */
function nextChunk(descriptor: number): Buffer {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let waited = 0; waited < LIMITS.inputFileMs; waited += POLL_MS) {
    try {
      return chunk.subarray(0, readSync(descriptor, chunk));
    } catch (error) {
      // A pipe whose writer has nothing yet.
      if (codeOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
    }
  }
  throw new Error(`a pipe that brought nothing for ${LIMITS.inputFileMs / 1000} s`);
}
