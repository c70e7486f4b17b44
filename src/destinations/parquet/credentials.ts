/** With what a bucket is asked: the settings, and where they are silent the variables that all of AWS's tools read. */
import { ConfigError } from '../../base/errors.js';
import { registerSecret } from '../../base/log.js';
import type { S3Settings } from './s3.js';

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
    endpoint: written.endpoint ?? (env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || undefined),
    region: written.region ?? (env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1'),
    accessKeyId,
    secretAccessKey,
    ...(sessionToken ? { sessionToken } : {}),
  };
}
