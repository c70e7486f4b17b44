/** Why a request brought no answer, in sentences; undefined where another attempt may. */
import { codeOf, ConfigError, FatalError, messageOf, type HeadraceError } from '../base/errors.js';

interface Words {
  /** It may pass: told once attempts are used up at an address that never answered. */
  passes?: boolean;
  when: (code: string, message: string) => boolean;
  config?: boolean;
  code: string;
  message: string;
  expected?: string;
  next: string;
}

const FAILURES: Words[] = [
  {
    when: (code, message) =>
      code === 'ERR_SSL_WRONG_VERSION_NUMBER' ||
      code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG' ||
      /wrong version number|packet length too long|http request/i.test(message),
    config: true,
    code: 'not_tls',
    message: 'this port speaks HTTP, not TLS',
    expected: 'a server that speaks TLS, as https:// says',
    next: 'write http:// in base_url, or name the port that speaks TLS',
  },
  {
    when: (code) => code === 'ERR_TLS_CERT_ALTNAME_INVALID',
    code: 'tls_other_name',
    message: "the API's certificate is for another name",
    expected: 'a certificate for the host of base_url',
    next: 'correct base_url, or look whether a proxy stands before the API',
  },
  {
    when: (code) => code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID',
    code: 'tls_expired',
    message: "the API's certificate is not valid at this time",
    expected: 'a certificate that is valid now',
    next: "look at this machine's clock; if it is right, whoever runs the API has to renew the certificate",
  },
  {
    when: (code) => /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_)/.test(code),
    code: 'tls_untrusted',
    message: "the API's certificate is not trusted",
    expected: 'a certificate of an authority that Node.js knows',
    next: 'set NODE_EXTRA_CA_CERTS to a file with the certificate authority',
  },
  {
    when: (code) => /^(?:ERR_SSL_|EPROTO$)/.test(code),
    passes: true,
    code: 'tls_failed',
    message: 'TLS cannot be spoken with this server',
    expected: 'a version and ciphers of TLS that both know',
    next: 'look whether base_url names the right port, and which versions of TLS the server speaks',
  },
  {
    when: (code) => code.startsWith('HPE_'),
    passes: true,
    config: true,
    code: 'not_http',
    message: 'what listens at this port does not speak HTTP as asked',
    expected: 'an answer in HTTP',
    next: 'write https:// in base_url if the port speaks TLS, or correct the port',
  },
  {
    when: (_, message) => /Proxy response \(407\)/.test(message),
    config: true,
    code: 'proxy_login',
    message: 'the proxy wants a login',
    next: 'write user and password into HTTPS_PROXY: http://user:password@host:port',
  },
  {
    when: (_, message) => /Proxy response \(\d+\)/.test(message),
    passes: true,
    code: 'proxy_refused',
    message: 'the proxy refused the connection',
    expected: 'a proxy that lets this host through',
    next: 'let it through, or name the host in NO_PROXY',
  },
  {
    when: (code) => code === 'PROXY_HUNG_UP',
    passes: true,
    code: 'proxy_hung_up',
    message: 'the proxy closed the connection without an answer',
    expected: 'a proxy that takes CONNECT',
    next: 'check HTTPS_PROXY and HTTP_PROXY, or name the host in NO_PROXY',
  },
  {
    when: (code, message) => code === 'UND_ERR_INVALID_ARG' && /header/.test(message),
    config: true,
    code: 'bad_header',
    message: 'a header of the request cannot be sent',
    expected: 'a key or token without line ends and control characters',
    next: 'look for a line end in the key: one that was read from a file often has one at its end',
  },
];

export interface Failure {
  error: HeadraceError;
  passes: boolean;
}

/** `origin`: where it was sent to. What OpenSSL says is kept as the finding, on one line. */
export function failureOf(error: unknown, origin: string): Failure | undefined {
  const code = codeOf(error) ?? '';
  const words = FAILURES.find(({ when }) => when(code, messageOf(error)));
  if (!words) return undefined;
  const { config, code: own, message, expected, next } = words;
  const found = own === 'bad_header' ? messageOf(error) : code || messageOf(error).split('\n')[0]!.slice(0, 200);
  const detail = { code: own, place: origin, expected, found, next, cause: error };
  const described = config ? new ConfigError(message, detail) : new FatalError(message, detail);
  return { error: described, passes: words.passes === true };
}

/** The title of a web page, where the text is one: a sign-in, a proxy's or a firewall's page answers for the API. */
export function pageTitle(text: string, type: string): string | undefined {
  if (!/\bhtml\b/i.test(type) && !/^\s*<(?:!doctype html|html)\b/i.test(text)) return undefined;
  const title = /<title[^>]*>([^<]{0,200})/i.exec(text.slice(0, 20_000))?.[1]?.replaceAll(/\s+/g, ' ').trim();
  return title ? `a web page titled "${title.slice(0, 80)}"` : 'a web page';
}
