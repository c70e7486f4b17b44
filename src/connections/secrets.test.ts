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

test('a list that was edited keeps each secret with its own entry, or asks for it', () => {
  const entry = fc.record({ url: fc.string({ minLength: 1 }), on: fc.constantFrom('failed', 'late'), name: fc.nat(3) });
  const edit = fc.array(fc.oneof(fc.nat(5), fc.constant('new')), { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), edit, (alerts, edits) => {
      const given = { alerts: alerts.map((alert, i) => ({ ...alert, url: `${alert.url}/${i}` })) };
      const { shown, secrets } = splitSecrets(given, (path) => path.at(-1) === 'url');
      const list = shown['alerts'] as Settings[];
      // What was kept, in any order and number, and what is new.
      const wanted = edits.flatMap((kept, i): { shown: Settings; of: Settings }[] => {
        if (typeof kept === 'number')
          return kept < list.length ? [{ shown: list[kept]!, of: given.alerts[kept]! }] : [];
        const added = { url: `https://new/${i}`, on: 'late', name: 9 };
        return [{ shown: added, of: added }];
      });
      let joined: Settings;
      try {
        joined = joinSecrets({ alerts: wanted.map((each) => each.shown) }, secrets, shown);
      } catch (error) {
        // Only where entries look alike.
        expect(error).toMatchObject({ code: 'secret_missing' });
        const masked = wanted.map((each) => JSON.stringify(each.shown)).filter((text) => text.includes(SECRET_MASK));
        const all = list.map((each) => JSON.stringify(each));
        expect(masked.some((text) => all.filter((other) => other === text).length > 1)).toBe(true);
        return;
      }
      const unlike = list.every(
        (each, i) => list.findIndex((other) => JSON.stringify(other) === JSON.stringify(each)) === i,
      );
      if (unlike) expect(joined).toEqual({ alerts: wanted.map((each) => each.of) });
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['one of two masks is left', [SECRET_MASK], 'keys.0'],
  ['a text before two masks', ['x', SECRET_MASK, SECRET_MASK], 'keys.1'],
])('%s: which secret it stands for is asked', (_, keys, place) => {
  const { shown, secrets } = splitSecrets({ keys: ['one', 'two'] }, () => true);
  expect(() => joinSecrets({ keys }, secrets, shown)).toThrow(
    expect.objectContaining({ code: 'secret_missing', place }),
  );
});

test.each([
  ['nothing changed', [SECRET_MASK, SECRET_MASK], ['one', 'two']],
  ['one more at the end', [SECRET_MASK, SECRET_MASK, 'x'], ['one', 'two', 'x']],
  ['the second written anew', [SECRET_MASK, 'x'], ['one', 'x']],
])('%s: the masks keep what they stood for', (_, keys, joined) => {
  const { shown, secrets } = splitSecrets({ keys: ['one', 'two'] }, () => true);
  expect(joinSecrets({ keys }, secrets, shown)).toEqual({ keys: joined });
});

test('an entry that was edited in its place keeps its secret; one that also moved does not', () => {
  const { shown, secrets } = splitSecrets(
    {
      to: [
        { url: 'one', on: 'a' },
        { url: 'two', on: 'b' },
      ],
    },
    (path) => path.at(-1) === 'url',
  );
  const [first, second] = shown['to'] as Settings[];
  expect(joinSecrets({ to: [first, { ...second, on: 'c' }] }, secrets, shown)).toMatchObject({
    to: [{ url: 'one' }, { url: 'two' }],
  });
  expect(() => joinSecrets({ to: [{ ...second, on: 'c' }, first] }, secrets, shown)).toThrow(
    expect.objectContaining({ code: 'secret_missing' }),
  );
});
