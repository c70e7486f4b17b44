import dns from 'node:dns';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ConfigError } from './errors.js';
import { Egress, zoneOf } from './egress.js';

const strict = new Egress({ privateTargets: false, localFiles: false });
const wide = new Egress({ privateTargets: true, localFiles: true });
afterEach(() => vi.restoreAllMocks());

test.each([
  ['public', ['8.8.8.8', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808', '172.32.0.1']],
  [
    'private',
    ['127.0.0.1', '127.9.9.9', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '0.0.0.0'],
  ],
  ['private', ['255.255.255.255', '224.0.0.1', '::', '::1', 'fc00::1', 'fd12:3456::1', 'ff02::1', '2001:db8::1']],
  [
    'private',
    ['::ffff:127.0.0.1', '::ffff:7f00:1', '[::ffff:10.0.0.1]', '::10.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::'],
  ],
  ['forbidden', ['169.254.169.254', '169.254.0.1', 'fe80::1', 'fe80::1%eth0', '::ffff:169.254.169.254']],
  ['forbidden', ['64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1', '100.100.100.200', 'fd00:ec2::254', '192.0.0.192']],
  ['forbidden', ['', 'localhost', '1.2.3', '::g']],
] as const)('%s: %j', (zone, addresses) => {
  for (const address of addresses) expect(`${address} ${zoneOf(address)}`).toBe(`${address} ${zone}`);
});

test('an IPv4 address is judged the same in every form that carries it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.ipV4(),
        fc
          .constantFrom('127', '10', '169.254', '192.168')
          .chain((start) => fc.ipV4().map((own) => [...start.split('.'), ...own.split('.')].slice(0, 4).join('.'))),
      ),
      (address) => {
        const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number];
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        const flipped = `${(((a << 8) | b) ^ 0xffff).toString(16)}:${(((c << 8) | d) ^ 0xffff).toString(16)}`;
        for (const form of [
          `::ffff:${address}`,
          `::ffff:${hex}`,
          `64:ff9b::${hex}`,
          `2002:${hex}::1`,
          `2001:0:1:2:3:4:${flipped}`,
        ])
          expect(`${form} ${zoneOf(form)}`).toBe(`${form} ${zoneOf(address)}`);
      },
    ),
  );
});

describe('names', () => {
  const resolving = (...answers: string[][]) =>
    vi.spyOn(dns, 'lookup').mockImplementation(((_: string, __: unknown, callback: (...args: unknown[]) => void) => {
      const found = answers.length > 1 ? answers.shift()! : answers[0]!;
      callback(
        null,
        found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    }) as never);
  const look = (egress: Egress, all = true) =>
    new Promise((resolve, reject) =>
      egress.lookup('name.example', { all }, (error, found) => (error ? reject(error) : resolve(found))),
    );

  test('are judged by every address that they resolve to, each time anew', async () => {
    resolving(['8.8.8.8'], ['8.8.8.8', '127.0.0.1'], ['169.254.169.254']);
    expect(await look(strict)).toEqual([{ address: '8.8.8.8', family: 4 }]);
    await expect(look(strict)).rejects.toMatchObject({ code: 'target_refused', found: '127.0.0.1' });
    await expect(look(wide)).rejects.toMatchObject({ code: 'target_refused', found: '169.254.169.254' });
  });

  test('that resolve to what is allowed are handed on as asked for', async () => {
    resolving(['10.0.0.1', '10.0.0.2']);
    expect(await look(wide)).toHaveLength(2);
    expect(await look(wide, false)).toBe('10.0.0.1');
  });
});

test('a socket goes where it may, by name, by address and by path', async () => {
  const ends = (connect: (socket: ReturnType<Egress['socket']>) => void, egress = strict) =>
    new Promise<Error>((resolve) => {
      const socket = egress.socket();
      socket.once('error', resolve);
      connect(socket);
    });
  for (const host of ['127.0.0.1', 'localhost', '::1', '169.254.169.254'])
    expect(await ends((socket) => socket.connect(1, host))).toMatchObject({ code: 'target_refused' });
  expect(await ends((socket) => socket.connect(1, undefined as never))).toMatchObject({ code: 'target_refused' });
  const refused = await ends((socket) => socket.connect('/var/run/postgresql/.s.PGSQL.5432'));
  expect(refused).toBeInstanceOf(ConfigError);
  expect(refused).toMatchObject({ code: 'local_file_refused' });
  // Allowed: what comes back is the network's own word.
  expect(await ends((socket) => socket.connect(1, '127.0.0.1'), wide)).toMatchObject({ code: 'ECONNREFUSED' });
  expect(await ends((socket) => socket.connect('/nowhere'), wide)).toMatchObject({ code: 'ENOENT' });
});
