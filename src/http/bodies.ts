/** Bodies of answers: unpacked, whoever asked for it, and as text in the charset that they are written in. */
import { isAscii, isUtf8 } from 'node:buffer';
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { messageOf, RetriableError } from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';

type Headers = Record<string, string | string[] | undefined>;

/** Takes off what `Content-Encoding` names, from the last to the first. Throws RetriableError where a body is cut. */
export function unpacked(body: Buffer, headers: Headers): Buffer {
  const packings = String(headers['content-encoding'] ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  if (body.length === 0) return body;
  return packings.toReversed().reduce((packed, name) => unpackedOnce(packed, name), body);
}

function unpackedOnce(body: Buffer, packing: string): Buffer {
  const options = { maxOutputLength: LIMITS.responseBytes * 4 };
  try {
    switch (packing) {
      case 'gzip':
      case 'x-gzip':
        // Some servers name it and send the body as it is.
        return isGzip(body) ? gunzipSync(body, options) : body;
      case 'deflate':
        return inflated(body, options);
      case 'br':
        return brotliDecompressSync(body, options);
      default:
        return body;
    }
  } catch (error) {
    throw new RetriableError(`the body is no complete ${packing}: ${messageOf(error)}`, {
      code: 'body_cut',
      cause: error,
    });
  }
}

/** With the header of zlib, as the standard says, or without, as some servers send it. */
function inflated(body: Buffer, options: { maxOutputLength: number }): Buffer {
  try {
    return inflateSync(body, options);
  } catch {
    return inflateRawSync(body, options);
  }
}

export const isGzip = (body: Buffer): boolean => body[0] === 0x1f && body[1] === 0x8b;

/** The charset that a Content-Type names. */
export function charsetOf(headers: Headers): string | undefined {
  const found = /;\s*charset\s*=\s*(?:"([^"]*)"|([^;\s]*))/i.exec(String(headers['content-type'] ?? ''));
  return (found?.[1] ?? found?.[2]) || undefined;
}

/** Names of Python's that the library has under another. */
const PYTHON_NAMES: Record<string, string> = {
  utf8sig: 'utf8',
  u8: 'utf8',
  utf: 'utf8',
  l1: 'latin1',
  macroman: 'macroman',
  ascii: 'utf8',
  usascii: 'utf8',
  '646': 'utf8',
};

/** The library's name of a charset; undefined where nobody knows it. */
export function knownCharset(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const known = PYTHON_NAMES[plain] ?? plain;
  return iconv.encodingExists(known) ? known : undefined;
}

const MARKS: readonly (readonly [readonly number[], string])[] = [
  [[0xef, 0xbb, 0xbf], 'utf8'],
  [[0xff, 0xfe, 0, 0], 'utf-32le'],
  [[0, 0, 0xfe, 0xff], 'utf-32be'],
  [[0xff, 0xfe], 'utf16le'],
  [[0xfe, 0xff], 'utf-16be'],
];

/**
 * A body as text: by its byte order mark, else in the charset that was declared, else in UTF-8, in UTF-16 or 32 where
 * the zeros tell, and where it is neither in what the web calls Latin-1. The mark is no part of the text.
 */
export function textOfBody(body: Buffer, declared?: string): string {
  // Decoding UTF-8 costs as much as parsing; most bodies are ASCII.
  if (declared === undefined && isAscii(body) && body[0] !== 0 && body[1] !== 0) return body.toString('latin1');
  const mark = MARKS.find(([bytes]) => bytes.every((byte, at) => body[at] === byte));
  if (mark) return iconv.decode(body.subarray(mark[0].length), mark[1], { stripBOM: false });
  const charset = knownCharset(declared);
  if (charset === 'utf8') return body.toString('utf8');
  if (charset !== undefined) return iconv.decode(body, charset);
  const wide = wideCharset(body);
  if (wide !== undefined) return iconv.decode(body, wide);
  return isUtf8(body) ? body.toString('utf8') : iconv.decode(body, 'windows-1252');
}

/** A text of JSON begins with two characters of ASCII: where their zeros lie tells how wide each is (RFC 4627). */
function wideCharset(body: Buffer): string | undefined {
  if (body.length < 4) return undefined;
  const zeros = [0, 1, 2, 3].map((at) => (body[at] === 0 ? '0' : '1')).join('');
  return { '0001': 'utf-32be', '1000': 'utf-32le', '0101': 'utf-16be', '1010': 'utf16le' }[zeros];
}
