import { describe, expect, test } from 'vitest';
import { relations } from './answer-headers.js';
import { endpointUrl, followable, urljoin } from './url.js';

/** Expected values are what Python's urllib.parse.urljoin answers. */
describe('urljoin', () => {
  test.each([
    ['http://a/b/c', 'd', 'http://a/b/d'],
    ['http://a/b/c/', 'd', 'http://a/b/c/d'],
    ['http://a/b/c/', '/d?x=1', 'http://a/d?x=1'],
    ['http://a/b/c/', '?x=1', 'http://a/b/c/?x=1'],
    ['http://a/b/c/?y=2', '#f', 'http://a/b/c/?y=2#f'],
    ['http://a/b//c/', 'd//e', 'http://a/b/c/d/e'],
    ['http://a/b/', '/d//e', 'http://a/d//e'],
    ['http://a/b/', 'd/../e/./f', 'http://a/b/e/f'],
    ['http://a/b/', '../../..', 'http://a/'],
    ['http://a/b/', 'd/.', 'http://a/b/d/'],
    ['http://a/b/', '//h/x', 'http://h/x'],
    ['http://a/b/', 'https://h/x', 'https://h/x'],
    ['http://a/b/', 'http://h/x', 'http://h/x'],
    ['http://a/b/', '', 'http://a/b/'],
    ['http://a', 'd', 'http://a/d'],
    ['http://a/b/', 'users/1:run', 'http://a/b/users/1:run'],
    ['http://a/b/', 'd//', 'http://a/b/d/'],
  ])('%s + %s', (base, path, expected) => {
    expect(urljoin(base, path)).toBe(expected);
  });

  test('an endpoint lies below its base, whatever slashes they have', () => {
    expect(endpointUrl('http://a/v1', 'items')).toBe('http://a/v1/items');
    expect(endpointUrl('http://a/v1/', 'items/')).toBe('http://a/v1/items/');
    expect(endpointUrl('http://a/v1', '')).toBe('http://a/v1');
    expect(endpointUrl('http://a/v1', '/items?page=2')).toBe('http://a/items?page=2');
    expect(endpointUrl('', 'http://a/x')).toBe('http://a/x');
  });
});

describe('an address that an answer brought', () => {
  test.each([
    ['https://api.shop.co.uk/2', 'https://api.shop.co.uk', 'https://api.shop.co.uk/2'],
    ['https://eu.shop.co.uk/2', 'https://api.shop.co.uk', 'https://eu.shop.co.uk/2'],
    ['http://api.shop.co.uk/2', 'https://api.shop.co.uk', 'https://api.shop.co.uk/2'],
    ['http://api.shop.co.uk/2', 'http://api.shop.co.uk', 'http://api.shop.co.uk/2'],
  ])('%s after %s', (address, base, expected) => {
    expect(followable(address, base, true, 'here')).toBe(expected);
  });

  test.each([
    ['https://evil.co.uk/2', 'https://api.shop.co.uk'],
    ['https://two.github.io/2', 'https://one.github.io'],
    ['http://api.shop.co.uk:8080/2', 'https://api.shop.co.uk'],
    ['https://10.0.0.2/2', 'https://10.0.0.1'],
  ])('%s after %s is a stranger', (address, base) => {
    expect(() => followable(address, base, true, 'here')).toThrow('the next page lies on another server');
    expect(followable(address, base, false, 'here')).toBe(address);
  });
});

describe('links (RFC 8288)', () => {
  test.each([
    ['<https://a/2>; rel="next"', { next: { url: 'https://a/2', rel: 'next' } }],
    ['<https://a/2>; rel=next', { next: { url: 'https://a/2', rel: 'next' } }],
    ['<https://a/2>;REL=next', { next: { url: 'https://a/2', rel: 'next' } }],
    ['<https://a/2?x=1,2>; rel="next"', { next: { url: 'https://a/2?x=1,2', rel: 'next' } }],
    [
      '<https://a/1>; rel="first", <https://a/2>; title="a, b; c"; rel="next"',
      { first: { url: 'https://a/1', rel: 'first' }, next: { url: 'https://a/2', rel: 'next', title: 'a, b; c' } },
    ],
    ['<https://a/2>; title="say \\"x\\""; rel="next"', { next: { url: 'https://a/2', rel: 'next', title: 'say "x"' } }],
    ['<https://a/2> ; rel = "next" ; results="true"', { next: { url: 'https://a/2', rel: 'next', results: 'true' } }],
    ['<https://a/2>; rel="next"; rel="prev"', { next: { url: 'https://a/2', rel: 'next' } }],
    [
      '<?page=2>; rel=next, <?page=9>; rel=last',
      { next: { url: '?page=2', rel: 'next' }, last: { url: '?page=9', rel: 'last' } },
    ],
    ['<https://a/x>', { 'https://a/x': { url: 'https://a/x' } }],
    ['', {}],
  ])('%s', (header, expected) => {
    expect(relations(header)).toEqual(expected);
  });

  test('a link of two relations is both', () => {
    expect(relations('<https://a/9>; rel="next last"')).toMatchObject({
      next: { url: 'https://a/9' },
      last: { url: 'https://a/9' },
    });
  });
});
