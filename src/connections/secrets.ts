/**
 * Secrets of stored connections: taken out of a configuration, sealed with a key from the environment, and put back
 * where it is used.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../base/errors.js';
import { registerSecret } from '../base/log.js';

export type Settings = Record<string, unknown>;

/** Stands for a secret wherever a configuration is shown; written back, it keeps the secret that is stored. */
export const SECRET_MASK = '********';
/** Of the key in bytes, as AES-256 has it. */
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_BYTES = 4;

/** Whether the text at this path (names, and numbers in lists) is a secret. */
export type IsSecret = (path: readonly string[], value: string) => boolean;

export interface Split {
  /** The configuration as it may be shown. */
  shown: Settings;
  /** Secrets by the JSON of their path. */
  secrets: Record<string, string>;
}

export function splitSecrets(settings: Settings, isSecret: IsSecret): Split {
  const secrets: Record<string, string> = {};
  const walk = (value: unknown, path: string[]): unknown => {
    if (typeof value === 'string') {
      if (!isSecret(path, value)) return value;
      secrets[JSON.stringify(path)] = value;
      return SECRET_MASK;
    }
    if (Array.isArray(value)) return value.map((inner, i) => walk(inner, [...path, String(i)]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner, [...path, key])]));
  };
  return { shown: walk(settings, []) as Settings, secrets };
}

/**
 * The configuration with its secrets in place. Each is redacted from then on. `stored`: as it was shown when the secrets were
 * taken out, where `shown` was edited since. Throws ConfigError for a mask that may stand for more than one secret, or for none.
 */
export function joinSecrets(shown: Settings, secrets: Record<string, string>, stored: unknown = shown): Settings {
  /** `path` of what is shown, `from` where it was stored: undefined where that cannot be told. */
  const walk = (value: unknown, path: string[], from: string[] | undefined, was: unknown): unknown => {
    if (value === SECRET_MASK) {
      const secret = from && secrets[JSON.stringify(from)];
      if (secret === undefined) throw missing(path);
      registerSecret(secret);
      return secret;
    }
    if (Array.isArray(value)) {
      const list = Array.isArray(was) ? (was as unknown[]) : [];
      const sources = sourcesOf(value, list);
      return value.map((inner, i) => {
        const at = sources[i];
        return walk(
          inner,
          [...path, String(i)],
          at === undefined ? undefined : from && [...from, String(at)],
          list[at ?? -1],
        );
      });
    }
    if (typeof value !== 'object' || value === null) return value;
    const fields = typeof was === 'object' && was !== null ? (was as Settings) : {};
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        walk(inner, [...path, key], from && [...from, key], fields[key]),
      ]),
    );
  };
  return walk(shown, [], [], stored) as Settings;
}

/**
 * Which entry of a stored list each entry of the edited one was: an equal one, or, in a list as long as before, what stood in its
 * place and stands nowhere else. Undefined where that is open, such as one of two masks that is left: a secret must not go to
 * another's place.
 */
function sourcesOf(list: unknown[], stored: unknown[]): (number | undefined)[] {
  const same = list.findIndex((entry, i) => !isDeepStrictEqual(entry, stored[i]));
  const untouched = list.length < stored.length ? 0 : same === -1 ? list.length : same;
  const equalTo = (entry: unknown) => [...stored.keys()].filter((i) => isDeepStrictEqual(stored[i], entry));
  const found = list.map((entry, i) => {
    if (i < untouched || (list.length === stored.length && isDeepStrictEqual(entry, stored[i]))) return i;
    const equal = equalTo(entry);
    return equal.length === 1 ? equal[0] : undefined;
  });
  const taken = new Set(found);
  return found.map((at, i) => {
    if (at !== undefined) return at;
    return list.length === stored.length && equalTo(list[i]).length === 0 && !taken.has(i) ? i : undefined;
  });
}

const missing = (path: string[]) =>
  new ConfigError(`there is no stored secret to keep for ${path.join('.')}`, {
    code: 'secret_missing',
    place: path.join('.'),
    expected: 'the secret itself',
    found: `${SECRET_MASK}, which stands for a stored one`,
    next: 'write the secret',
  });

/** AES-256-GCM under the first key; every key opens what it sealed, so that keys can be changed. */
export class SecretBox {
  private constructor(private readonly keys: Buffer[]) {}

  /**
   * `text`: one key or several with commas between them, each 32 bytes as hex or base64, the newest first. Undefined:
   * there is none.
   */
  static from(text: string | undefined): SecretBox | undefined {
    if (text === undefined || text.trim() === '') return undefined;
    const keys = text.split(',').map((part) => {
      const key = part.trim();
      const bytes = /^[0-9a-f]{64}$/i.test(key) ? Buffer.from(key, 'hex') : Buffer.from(key, 'base64');
      if (bytes.length !== KEY_BYTES) {
        throw new ConfigError('HEADRACE_SECRET_KEY is no key', {
          code: 'bad_secret_key',
          place: 'HEADRACE_SECRET_KEY',
          expected: `${KEY_BYTES} bytes as hex or base64`,
          found: `a text of ${key.length} characters`,
          next: 'make one: openssl rand -hex 32',
        });
      }
      registerSecret(key);
      return bytes;
    });
    return new SecretBox(keys);
  }

  /** `owner` is bound to what is sealed: it opens for nobody else. */
  seal(secrets: Record<string, string>, owner: string): Buffer {
    const key = this.keys[0]!;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(owner));
    const body = Buffer.concat([cipher.update(JSON.stringify(secrets), 'utf8'), cipher.final()]);
    return Buffer.concat([keyId(key), nonce, cipher.getAuthTag(), body]);
  }

  /** Which key sealed it: the first, one of those behind it, or none of them. */
  sealedBy(sealed: Buffer): 'newest' | 'older' | 'unknown' {
    const id = sealed.subarray(0, KEY_ID_BYTES);
    const at = this.keys.findIndex((key) => keyId(key).equals(id));
    return at < 0 ? 'unknown' : at === 0 ? 'newest' : 'older';
  }

  /** Throws ConfigError where no key opens it. */
  open(sealed: Buffer, owner: string): Record<string, string> {
    const key = this.keys.find((candidate) => keyId(candidate).equals(sealed.subarray(0, KEY_ID_BYTES)));
    if (!key)
      throw new ConfigError('the secrets were sealed with another key', {
        code: 'wrong_secret_key',
        place: owner,
        expected: 'the HEADRACE_SECRET_KEY that they were stored with',
        found: 'a different one',
        next: 'put the older key behind the newer one: HEADRACE_SECRET_KEY=new,old',
      });
    const nonceEnd = KEY_ID_BYTES + NONCE_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(KEY_ID_BYTES, nonceEnd))
      .setAAD(Buffer.from(owner))
      .setAuthTag(sealed.subarray(nonceEnd, nonceEnd + TAG_BYTES));
    try {
      return JSON.parse(
        Buffer.concat([decipher.update(sealed.subarray(nonceEnd + TAG_BYTES)), decipher.final()]).toString('utf8'),
      ) as Record<string, string>;
    } catch (cause) {
      throw new ConfigError("the stored secrets are damaged, or another connection's", {
        code: 'secrets_damaged',
        place: owner,
        next: 'write the secrets of this connection again',
        cause,
      });
    }
  }
}

/** Tells which key sealed something, and nothing else of it. */
function keyId(key: Buffer): Buffer {
  return createHash('sha256').update('headrace key id').update(key).digest().subarray(0, KEY_ID_BYTES);
}
