/** JSON Web Tokens (RFC 7519) as credentials. */
import { createHmac, createPrivateKey, sign as signWith, constants } from 'node:crypto';
import { ConfigError } from '../../../base/errors.js';
import { registerSecret } from '../../../base/log.js';
import type { JsonObject } from '../document/read.js';
import { fields, now, text, type Kit } from './kit.js';

const HASHES: Record<string, string> = { '256': 'sha256', '384': 'sha384', '512': 'sha512' };
const DEFAULT_TOKEN_SECONDS = 1200;

/** Signed anew for each request. */
export function jwt(kit: Kit, own: JsonObject): string {
  const value = (component: JsonObject | undefined, field: string) =>
    component?.[field] === undefined ? undefined : text(kit, own, component[field])({}) || undefined;
  const seconds = Math.floor(kit.clock.now() / 1000);
  const algorithm = String(own['algorithm']);
  const extra = (field: string) =>
    Object.fromEntries(
      Object.entries((own[field] as JsonObject | undefined) ?? {}).map(([key, inner]) => [
        text(kit, own, key)({}),
        now(kit, own, inner),
      ]),
    );
  const headers = fields(own, 'jwt_headers');
  const payload = fields(own, 'jwt_payload');
  const head = clean({
    kid: value(headers, 'kid'),
    typ: value(headers, 'typ') ?? 'JWT',
    cty: value(headers, 'cty'),
    alg: algorithm,
    ...extra('additional_jwt_headers'),
  });
  const lasts = Number(own['token_duration'] ?? DEFAULT_TOKEN_SECONDS);
  const claims = clean({
    iss: value(payload, 'iss'),
    sub: value(payload, 'sub'),
    aud: value(payload, 'aud'),
    iat: seconds,
    exp: seconds + lasts,
    nbf: seconds,
    ...extra('additional_jwt_payload'),
  });
  const signed = `${base64url(JSON.stringify(head))}.${base64url(JSON.stringify(claims))}`;
  let key = text(kit, own, own['secret_key'])({}).replaceAll('\\n', '\n');
  registerSecret(key);
  if (own['base64_encode_secret_key'] === true) key = Buffer.from(key).toString('base64');
  const token = `${signed}.${signature(algorithm, key, signed, value(own, 'passphrase')).toString('base64url')}`;
  registerSecret(token);
  return token;
}

function signature(algorithm: string, key: string, data: string, passphrase: string | undefined): Buffer {
  const hash = HASHES[algorithm.slice(2, 5)];
  try {
    if (algorithm.startsWith('HS')) return createHmac(hash!, key).update(data).digest();
    const privateKey = createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
    if (algorithm === 'EdDSA') return signWith(null, Buffer.from(data), privateKey);
    if (algorithm.startsWith('ES'))
      return signWith(hash, Buffer.from(data), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return signWith(
      hash,
      Buffer.from(data),
      algorithm.startsWith('PS')
        ? { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
        : privateKey,
    );
  } catch (error) {
    throw new ConfigError('the key cannot sign a token', {
      code: 'jwt_key',
      place: 'the secret_key of the JwtAuthenticator',
      expected: `a key for ${algorithm}`,
      found: (error as Error).message.split(':').at(-1)!.trim(),
      next: 'check the key in the configuration: PEM, with its line breaks',
      cause: error,
    });
  }
}

const base64url = (value: string) => Buffer.from(value).toString('base64url');
const clean = (value: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined));
