/** Bodies of responses as documents: JSON, lines, CSV, XML, packed or not. */
import { gunzipSync, inflateRawSync } from 'node:zlib';
import { ConfigError, RetriableError } from '../../../base/errors.js';
import { parseJson } from '../../../base/json.js';
import { LIMITS } from '../../../base/bounds.js';
import { isGzip, knownCharset, textOfBody } from '../../../http/bodies.js';
import { placeOf } from '../document/manifest.js';
import type { JsonObject } from '../document/read.js';
import { fields, text, unsupported, valueAt, type Kit } from './kit.js';

/** One document, or one for each line or row. `charset`: what the answer says that it is written in. */
export type Decode = (body: Buffer, charset?: string) => unknown[];

/** Of an answer that does not hold the list which its documents are taken from. */
const LISTLESS: unknown[] = [];
export const isListless = (documents: readonly unknown[]): boolean => documents === LISTLESS;

/** A body of something else than JSON, such as a page for people. */
export class NotJsonError extends RetriableError {}

/** A line that is broken, after others that are not. */
export class HalfDecodedError extends RetriableError {
  constructor(
    readonly documents: unknown[],
    { message, code, cause }: RetriableError,
  ) {
    super(message, { code, cause });
  }
}

export function decoder(kit: Kit, component: JsonObject | undefined): Decode {
  switch (component?.['type']) {
    case undefined:
    case 'JsonDecoder':
    case 'JsonParser':
      return json;
    case 'JsonlDecoder':
      return (body, charset) => parsedLines(lines(body, charset));
    case 'IterableDecoder':
      return (body, charset) => lines(body, charset).map((record) => ({ record }));
    case 'CsvDecoder': {
      const delimiter = String(component['delimiter'] ?? ',').replace('\\t', '\t');
      const empty = component['set_values_to_none'];
      const encoding = encodingOf(kit, component);
      return (body) =>
        csv(textOfBody(body, encoding), delimiter, new Set(Array.isArray(empty) ? empty.map(String) : []));
    }
    case 'XmlDecoder':
      return (body, charset) => [xml(textOfBody(body, charset ?? declaredInXml(body)))];
    case 'GzipDecoder': {
      const inner = decoder(kit, fields(component, 'decoder'));
      return (body, charset) =>
        inner(isGzip(body) ? gunzipSync(body, { maxOutputLength: LIMITS.responseBytes * 4 }) : body, charset);
    }
    case 'JsonItemsDecoder': {
      const path = text(kit, component, component['items_path'])({}).split('.');
      return (body, charset) => {
        const found = valueAt(json(body, charset)[0], path);
        return Array.isArray(found) ? (found as unknown[]) : LISTLESS;
      };
    }
    case 'ZipfileDecoder': {
      const inner = decoder(kit, fields(component, 'decoder'));
      return (body) => unzip(body).flatMap((file) => inner(file));
    }
    default:
      throw unsupported(kit, component!, `the decoder ${String(component!['type'])}`, 'use a decoder of the language');
  }
}

function json(body: Buffer, charset?: string): unknown[] {
  const source = textOfBody(body, charset);
  if (source.trim() === '') return [{}];
  if (!/^\s*[[{"\d\-tfnNI]/.test(source))
    throw new NotJsonError(`the answer is no JSON: it begins with ${JSON.stringify(source.trim().slice(0, 40))}`, {
      code: 'not_json',
      expected: 'JSON',
      found: source.trim().slice(0, 40),
    });
  return [parsed(source)];
}

function parsed(source: string): unknown {
  try {
    return parseJson(source);
  } catch (error) {
    throw new RetriableError(`the answer is not valid JSON: ${(error as Error).message}`, {
      code: 'invalid_json',
      cause: error,
    });
  }
}

function parsedLines(all: string[]): unknown[] {
  const documents: unknown[] = [];
  for (const line of all) {
    try {
      documents.push(parsed(line));
    } catch (error) {
      throw new HalfDecodedError(documents, error as RetriableError);
    }
  }
  return documents;
}

/** Throws where nobody knows the encoding: guessing would spoil values without a word. */
function encodingOf(kit: Kit, component: JsonObject): string {
  const name = String(component['encoding'] ?? 'utf-8');
  if (knownCharset(name) !== undefined) return name;
  throw new ConfigError('the encoding of a CsvDecoder is not known', {
    code: 'unknown_encoding',
    place: placeOf(kit.manifest, component),
    expected: 'the name of an encoding, such as utf-8, latin-1 or cp1252',
    found: name,
    next: 'correct the manifest',
  });
}

/** The encoding that an XML declaration names. */
function declaredInXml(body: Buffer): string | undefined {
  const start = body.subarray(0, 200).toString('latin1');
  return /^[^<]*<\?xml[^>]*\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(start)?.[1];
}

function lines(body: Buffer, charset?: string): string[] {
  return textOfBody(body, charset)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
}

/** RFC 4180: the first row names the fields. */
export function csv(source: string, delimiter: string, empty: ReadonlySet<string>): Record<string, unknown>[] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!;
    if (quoted) {
      if (char !== '"') cell += char;
      else if (source[i + 1] === '"') {
        cell += '"';
        i++;
      } else quoted = false;
    } else if (char === '"' && cell === '') quoted = true;
    else if (source.startsWith(delimiter, i)) {
      row.push(cell);
      cell = '';
      i += delimiter.length - 1;
    } else if (char === '\n' || char === '\r') {
      if (char === '\r' && source[i + 1] === '\n') i++;
      row.push(cell);
      if (row.length > 1 || row[0] !== '') rows.push(row);
      row = [];
      cell = '';
    } else cell += char;
  }
  if (cell !== '' || row.length > 0) rows.push([...row, cell]);
  const [header = [], ...data] = rows;
  return data.map((cells) =>
    Object.fromEntries(
      header.map((name, i) => [name, cells[i] === undefined || empty.has(cells[i]!) ? null : cells[i]]),
    ),
  );
}

/** As xmltodict has it: attributes with `@`, text beside them as `#text`, repeated elements as lists. */
export function xml(source: string): Record<string, unknown> {
  const stack: { name: string; value: Record<string, unknown>; text: string }[] = [{ name: '', value: {}, text: '' }];
  const put = (into: Record<string, unknown>, name: string, value: unknown) => {
    if (!Object.hasOwn(into, name))
      Object.defineProperty(into, name, { value, enumerable: true, writable: true, configurable: true });
    else into[name] = Array.isArray(into[name]) ? [...(into[name] as unknown[]), value] : [into[name], value];
  };
  const pattern =
    /<!\[CDATA\[([^]*?)\]\]>|<!--[^]*?-->|<\?[^]*?\?>|<![^>]*>|<\/([^>\s]+)\s*>|<([^\s/>]+)((?:\s+[^\s=>/]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>|([^<]+)/g;
  const close = () => {
    const { name, value, text: own } = stack.pop()!;
    const trimmed = own.trim();
    const isPlain = Object.keys(value).length === 0;
    if (!isPlain && trimmed !== '') put(value, '#text', trimmed);
    put(stack.at(-1)!.value, name, isPlain ? (trimmed === '' ? null : trimmed) : value);
  };
  for (const [, cdata, end, start, attributes, isEmpty, characters] of source.matchAll(pattern)) {
    if (cdata !== undefined) stack.at(-1)!.text += cdata;
    else if (characters !== undefined) stack.at(-1)!.text += entities(characters);
    else if (end !== undefined) {
      if (stack.length < 2 || stack.at(-1)!.name !== end)
        throw new RetriableError(`the answer is not well-formed XML at </${end}>`, { code: 'invalid_xml' });
      close();
    } else if (start !== undefined) {
      if (stack.length > 200)
        throw new RetriableError("the answer's XML is nested too deeply", { code: 'invalid_xml' });
      const value: Record<string, unknown> = {};
      for (const [, name, double, single] of attributes!.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g))
        put(value, `@${name}`, entities(double ?? single ?? ''));
      stack.push({ name: start, value, text: '' });
      if (isEmpty) close();
    }
  }
  if (stack.length !== 1)
    throw new RetriableError(`the answer's XML ends inside <${stack.at(-1)!.name}>`, { code: 'invalid_xml' });
  return stack[0]!.value;
}

/** The five entities of XML, and numbers: no declaration can add one. */
function entities(source: string): string {
  return source.replaceAll(
    /&(?:#x([0-9a-fA-F]+)|#(\d+)|(lt|gt|amp|quot|apos));/g,
    (_, hex: string | undefined, decimal: string | undefined, name: string | undefined) => {
      if (name !== undefined) return { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }[name]!;
      const code = Number.parseInt(hex ?? decimal!, hex === undefined ? 10 : 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : '';
    },
  );
}

/** The files of a ZIP archive, by its central directory; stored or deflated. */
function unzip(body: Buffer): Buffer[] {
  const bad = (found: string) => new RetriableError('the answer is no ZIP archive', { code: 'invalid_zip', found });
  let end = body.length - 22;
  while (end >= 0 && body.readUInt32LE(end) !== 0x06054b50) end--;
  if (end < 0) throw bad('no end of a central directory');
  const files: Buffer[] = [];
  let total = 0;
  let at = body.readUInt32LE(end + 16);
  for (let count = body.readUInt16LE(end + 10); count > 0; count--) {
    if (at + 46 > body.length || body.readUInt32LE(at) !== 0x02014b50) throw bad('a broken directory');
    const method = body.readUInt16LE(at + 10);
    const packed = body.readUInt32LE(at + 20);
    const local = body.readUInt32LE(at + 42);
    const start = local + 30 + body.readUInt16LE(local + 26) + body.readUInt16LE(local + 28);
    const data = body.subarray(start, start + packed);
    if (packed > 0) {
      const file = method === 0 ? data : inflateRawSync(data, { maxOutputLength: LIMITS.responseBytes * 4 });
      total += file.length;
      if (total > LIMITS.responseBytes * 4) throw bad('more than Headrace accepts');
      files.push(file);
    }
    at += 46 + body.readUInt16LE(at + 28) + body.readUInt16LE(at + 30) + body.readUInt16LE(at + 32);
  }
  return files;
}
