/** Authenticators: what they add to a request, and the tokens that they fetch first. */
import { ConfigError } from '../../../base/errors.js';
import { registerSecret } from '../../../base/log.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { jwt } from './auth-jwt.js';
import { OAuth } from './auth-oauth.js';
import { LegacySession, SessionToken } from './auth-session.js';
import { oneLine, setHeader, type Authenticator, type SendPlain } from './credential.js';
import { fields, text, unsupported, valueAt, type Kit } from './kit.js';
import { injection, type RequestParts } from './options.js';
import { replaced, twinInput, twinOf } from './twins.js';

export function authenticator(
  kit: Kit,
  component: JsonObject | undefined,
  base: string,
  send: SendPlain,
  login: (requester: JsonObject) => Promise<unknown>,
): Authenticator {
  if (!component) return fixed(() => {});
  const own = chosenAuthenticator(kit, component);
  const secret = (value: Json | undefined) => {
    const found = oneLine(text(kit, own, value)({}));
    if (found.length > 0) registerSecret(found);
    return found;
  };
  switch (own['type']) {
    case 'NoAuth':
      return fixed(() => {});
    case 'ApiKeyAuthenticator': {
      const inject = injection(kit, fields(own, 'inject_into'));
      const name = text(kit, own, own['header'] ?? '')({});
      const token = secret(own['api_token'] ?? '');
      return fixed((parts) => (inject ? inject(parts, token) : setHeader(parts, name, token)));
    }
    case 'BearerAuthenticator': {
      const token = secret(own['api_token']);
      return fixed((parts) => setHeader(parts, 'authorization', `Bearer ${token}`));
    }
    case 'BasicHttpAuthenticator': {
      const pair = `${secret(own['username'])}:${secret(own['password'] ?? '')}`;
      const encoded = Buffer.from(pair).toString('base64');
      registerSecret(encoded);
      return fixed((parts) => setHeader(parts, 'authorization', `Basic ${encoded}`));
    }
    case 'RateLimitedMultipleTokenAuthenticator':
      throw unsupported(kit, own, 'a second set of tokens with quotas', 'use one set for all streams of a manifest');
    case 'OAuthAuthenticator':
      return new OAuth(kit, own, send);
    case 'JwtAuthenticator': {
      const prefix = text(kit, own, own['header_prefix'] ?? '')({});
      const inject = injection(kit, fields(own, 'request_option'));
      return {
        refresh: () => false,
        async apply(parts) {
          const token = [prefix, jwt(kit, own)].filter(Boolean).join(' ');
          if (inject) inject(parts, token);
          else setHeader(parts, 'authorization', token);
        },
      };
    }
    case 'SessionTokenAuthenticator':
      return new SessionToken(kit, own, login);
    case 'LegacySessionTokenAuthenticator':
      return new LegacySession(kit, own, base, send);
    case 'CustomAuthenticator': {
      const { authenticate } = twinOf(kit, own);
      if (!authenticate)
        throw unsupported(kit, own, 'a twin without authenticate', 'give the twin an authenticate function');
      return fixed((parts) => {
        for (const [name, value] of Object.entries(authenticate(twinInput(kit, own)))) setHeader(parts, name, value);
      });
    }
    default:
      throw unsupported(kit, own, `the authenticator ${String(own['type'])}`, 'use another way to authenticate');
  }
}

/** The one that the configuration selects. */
export function chosenAuthenticator(kit: Kit, component: JsonObject): JsonObject {
  const own = replaced(kit, component);
  if (own['type'] !== 'SelectiveAuthenticator') return own;
  const path = (own['authenticator_selection_path'] as Json[]).map(String);
  const chosen = String(valueAt(kit.config, path) ?? '');
  const options = own['authenticators'] as JsonObject;
  if (!isObject(options[chosen]))
    throw new ConfigError('the configuration chooses no known way to authenticate', {
      code: 'auth_choice',
      place: `config ${path.join('.')}`,
      expected: Object.keys(options).join(', '),
      found: chosen || 'nothing',
      next: 'correct the configuration',
    });
  return chosenAuthenticator(kit, options[chosen]);
}

function fixed(apply: (parts: RequestParts) => void): Authenticator {
  return {
    refresh: () => false,
    async apply(parts) {
      apply(parts);
    },
  };
}
