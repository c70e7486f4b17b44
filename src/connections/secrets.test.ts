import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError } from '../base/errors.js';
import { joinSecrets, SECRET_MASK, SecretBox, splitSecrets, type Settings } from './secrets.js';

const KEY = 'ab'.repeat(32);
const OTHER = Buffer.alloc(32, 7).toString('base64');
const isSecret = (path: readonly string[]) => /secret/.test(path.at(-1)!);
const settings = fc
  .dictionary(
    fc.constantFrom('plain', 'secret', 'a secret', '__proto', 'list'),
    fc.oneof(
      fc.string(),
      fc.integer(),
      fc.array(fc.dictionary(fc.constantFrom('secret', 'x', '"', 'a.b'), fc.string())),
      fc.dictionary(fc.constantFrom('secret', 'b', '0'), fc.string()),
    ),
  )
  .filter((value) => !JSON.stringify(value).includes(SECRET_MASK));

test('what is split and sealed comes back as it was, and what is shown holds no secret', () => {
  const box = SecretBox.from(KEY)!;
  fc.assert(
    fc.property(settings, fc.string(), (given, owner) => {
      const { shown, secrets } = splitSecrets(given as Settings, isSecret);
      const sealed = box.seal(secrets, owner);
      expect(joinSecrets(shown, box.open(sealed, owner))).toEqual(given);
      for (const secret of Object.values(secrets))
        if (secret.length > 8 && !JSON.stringify(given).replaceAll(JSON.stringify(secret), '').includes(secret)) {
          expect(JSON.stringify(shown)).not.toContain(secret);
          expect(sealed.toString('latin1')).not.toContain(secret);
        }
    }),
  );
});

test('sealed secrets open for their owner alone, and not when a byte of them was changed', () => {
  const box = SecretBox.from(KEY)!;
  const sealed = box.seal({ '["secret"]': 'the secret' }, 'acme');
  expect(() => box.open(sealed, 'other')).toThrow('damaged');
  for (let i = 4; i < sealed.length; i++) {
    const changed = Buffer.from(sealed);
    changed[i]! ^= 1;
    expect(() => box.open(changed, 'acme')).toThrow(ConfigError);
  }
  expect(box.seal({}, 'acme').equals(box.seal({}, 'acme'))).toBe(false);
});

test('keys can be changed: the newest seals, each opens what it sealed', () => {
  const old = SecretBox.from(OTHER)!.seal({ x: 'y' }, 'a');
  const both = SecretBox.from(`${KEY}, ${OTHER}`)!;
  expect(both.open(old, 'a')).toEqual({ x: 'y' });
  expect(() => SecretBox.from(OTHER)!.open(both.seal({ x: 'y' }, 'a'), 'a')).toThrow('another key');
});

test('a key that is none is refused without being shown', () => {
  expect(SecretBox.from(undefined)).toBeUndefined();
  expect(SecretBox.from(' ')).toBeUndefined();
  for (const bad of ['short', 'ab'.repeat(31), `${KEY},x`]) {
    expect(() => SecretBox.from(bad)).toThrow(
      expect.objectContaining({ code: 'bad_secret_key', found: expect.not.stringContaining(bad.slice(0, 5)) }),
    );
  }
});

test('a mask without a stored secret is told by its place', () => {
  expect(() => joinSecrets({ source: { api_key: SECRET_MASK } }, {})).toThrow(
    expect.objectContaining({ code: 'secret_missing', place: 'source.api_key' }),
  );
});
