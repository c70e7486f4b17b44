import { describe, expect, test } from 'vitest';
import { LIMITS } from '../base/bounds.js';
import { redirected, type SentRequest } from './redirects.js';
import { isSameSite } from './sites.js';

const request = (more: Partial<SentRequest> = {}): SentRequest => ({
  method: 'GET',
  url: 'https://api.shop.com/v1/items?page=2',
  headers: { authorization: 'Bearer x', 'x-api-key': 'k', accept: '*/*', 'content-type': 'application/json' },
  body: undefined,
  credentials: ['x-api-key'],
  ...more,
});

describe('method and body after a redirect', () => {
  test.each([
    [301, 'GET', 'GET', false],
    [301, 'POST', 'GET', false],
    [301, 'PUT', 'PUT', false],
    [302, 'POST', 'GET', false],
    [302, 'PUT', 'GET', false],
    [302, 'HEAD', 'HEAD', false],
    [303, 'PUT', 'GET', false],
    [303, 'HEAD', 'HEAD', false],
    [307, 'POST', 'POST', true],
    [307, 'PATCH', 'PATCH', true],
    [308, 'POST', 'POST', true],
  ])('%i of a %s: %s', (status, method, expected, keepsBody) => {
    const next = redirected(request({ method, body: '{}' }), status, '/v2');
    expect(next.method).toBe(expected);
    expect(next.body).toBe(keepsBody ? '{}' : undefined);
    expect('content-type' in next.headers).toBe(keepsBody);
  });
});

describe('where it leads', () => {
  test.each([
    ['/v2/items', 'https://api.shop.com/v2/items'],
    ['other?x=1', 'https://api.shop.com/v1/other?x=1'],
    ['?page=3', 'https://api.shop.com/v1/items?page=3'],
    ['//cdn.shop.com/a', 'https://cdn.shop.com/a'],
    ['https://elsewhere.org/', 'https://elsewhere.org/'],
    [Buffer.from('/caf\u00e9', 'utf8').toString('latin1'), 'https://api.shop.com/caf%C3%A9'],
    ['/a b', 'https://api.shop.com/a%20b'],
  ])('%s', (location, expected) => {
    expect(redirected(request(), 302, location).url).toBe(expected);
  });

  test.each(['ftp://x/y', 'javascript:1', 'http://', 'https://[::'])('%s is refused', (location) => {
    expect(() => redirected(request(), 302, location)).toThrow('redirects to something that is no address');
  });

  test('thirty are followed, one more is not', () => {
    let sent = request();
    for (let n = 0; n < LIMITS.redirects; n++) sent = redirected(sent, 302, `/${n}`);
    expect(() => redirected(sent, 302, '/x')).toThrow('redirects without end');
  });
});

describe('credentials', () => {
  test.each([
    ['https://api.shop.com/a', 'https://api.shop.com/b', true],
    ['http://api.shop.com/a', 'https://api.shop.com/b', true],
    ['http://api.shop.com:80/a', 'https://api.shop.com:443/b', true],
    ['https://api.shop.com/a', 'http://api.shop.com/b', false],
    ['https://api.shop.com/a', 'https://cdn.shop.com/b', false],
    ['https://api.shop.com/a', 'https://api.shop.com:8443/b', false],
    ['http://api.shop.com:8080/a', 'https://api.shop.com/b', false],
    ['https://api.shop.com/a', 'https://evil.org/b', false],
  ])('%s to %s: kept %s', (url, location, kept) => {
    const { headers } = redirected(request({ url }), 307, location);
    expect(['authorization', 'x-api-key'].filter((name) => name in headers)).toHaveLength(kept ? 2 : 0);
    expect(headers).toMatchObject({ accept: '*/*' });
  });

  test('a body that holds one goes to no other site, nor over plain http', () => {
    const sent = request({ method: 'POST', body: 'client_secret=s', secretBody: true });
    expect(() => redirected(sent, 307, 'https://evil.org/')).toThrow('redirected to another server');
    expect(() => redirected(sent, 308, 'http://api.shop.com/')).toThrow('redirected to another server');
    expect(redirected(sent, 307, 'https://auth.shop.com/').body).toBe('client_secret=s');
    expect(redirected(sent, 303, 'https://evil.org/').body).toBeUndefined();
  });
});

describe('one site or two', () => {
  test.each([
    ['https://api.shop.com', 'https://cdn.shop.com', true],
    ['https://api.shop.co.uk', 'https://files.shop.co.uk', true],
    ['https://api.shop.co.uk', 'https://evil.co.uk', false],
    ['https://one.github.io', 'https://two.github.io', false],
    ['https://a.s3.amazonaws.com', 'https://b.s3.amazonaws.com', false],
    ['https://one.myshopify.com', 'https://two.myshopify.com', false],
    ['https://shop.com.au', 'https://evil.com.au', false],
    ['http://127.0.0.1:80', 'http://127.0.0.1:81', false],
    ['http://10.0.0.1', 'http://20.0.0.1', false],
    ['http://localhost:1', 'http://localhost:1', true],
    ['https://co.uk', 'https://co.uk', true],
    ['https://shop.com', 'https://shop.com.evil.org', false],
  ])('%s and %s: %s', (a, b, same) => {
    expect(isSameSite(new URL(a), new URL(b))).toBe(same);
  });
});
