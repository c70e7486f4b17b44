/** With what a bucket is asked: the settings, and where they are silent the variables that all of AWS's tools read. */
import { ConfigError } from '../../base/errors.js';
import { registerSecret } from '../../base/log.js';
import type { S3Settings } from './s3.js';

/** Regions are a part of the host's name. */
export const REGION = /^[a-z0-9][a-z0-9_-]{0,62}$/i;
export const REGION_FORM = 'letters, digits, - and _, such as eu-central-1';

interface Written {
  endpoint?: string | undefined;
  region?: string | undefined;
  access_key_id?: string | undefined;
  secret_access_key?: string | undefined;
  session_token?: string | undefined;
}

/** Throws ConfigError where a key is missing. */
export function credentialsOf(written: Written, env: NodeJS.ProcessEnv): Omit<S3Settings, 'url'> {
  const isOwn = written.access_key_id !== undefined || written.secret_access_key !== undefined;
  const from = isOwn ? {} : env;
  const accessKeyId = written.access_key_id ?? from['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = written.secret_access_key ?? from['AWS_SECRET_ACCESS_KEY'];
  if (!accessKeyId || !secretAccessKey)
    throw new ConfigError('the bucket needs credentials', {
      code: 'env_missing',
      place: `destination.${accessKeyId ? 'secret_access_key' : 'access_key_id'}`,
      expected: 'access_key_id and secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
      found: accessKeyId ? 'no secret' : 'none',
      next: 'export both variables and run again',
    });
  const sessionToken = written.session_token ?? from['AWS_SESSION_TOKEN'];
  registerSecret(secretAccessKey);
  registerSecret(sessionToken);
  return {
    endpoint: written.endpoint ?? addressOf(env),
    region: written.region ?? regionOf(env),
    accessKeyId,
    secretAccessKey,
    ...(sessionToken ? { sessionToken } : {}),
  };
}

/** What a file's `endpoint` must be too; a variable passes no schema. */
function addressOf(env: NodeJS.ProcessEnv): string | undefined {
  const name = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((one) => env[one]);
  if (name === undefined) return undefined;
  const address = env[name]!;
  if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) return address;
  throw new ConfigError(`${name} is wrong`, {
    code: 'config_invalid',
    place: name,
    expected: 'an address with its scheme, such as https://minio.example.com',
    found: `a text of ${address.length} characters`,
    next: 'correct the variable, or unset it for Amazon’s own',
  });
}

function regionOf(env: NodeJS.ProcessEnv): string {
  const name = ['AWS_REGION', 'AWS_DEFAULT_REGION'].find((one) => env[one]);
  if (name === undefined) return 'us-east-1';
  const region = env[name]!;
  if (REGION.test(region)) return region;
  throw new ConfigError(`${name} is wrong`, {
    code: 'config_invalid',
    place: name,
    expected: REGION_FORM,
    found: `a text of ${region.length} characters`,
    next: 'correct the variable',
  });
}
