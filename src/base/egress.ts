/**
 * Where connections that others write may lead: who may make one through the API shall not reach the machine's own
 * network with it. Names are judged by what they resolve to when a connection is made, so that no name can change after
 * it was checked.
 */
import dns from 'node:dns';
import net from 'node:net';
import ipaddr from 'ipaddr.js';
import { ConfigError } from './errors.js';

export type Zone = 'public' | 'private' | 'forbidden';

/** Services of clouds that hand out credentials, beside the link-local ones. */
const METADATA = new Set(['100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254']);
/** IPv6 prefixes that carry an IPv4 address, and where in their eight parts: NAT64, its local form, 6to4, Teredo. */
const CARRIERS: { prefix: [ipaddr.IPv6, number]; at: number; inverted?: boolean }[] = [
  { prefix: ipaddr.IPv6.parseCIDR('::ffff:0:0/96'), at: 6 },
  { prefix: ipaddr.IPv6.parseCIDR('::ffff:0:0:0/96'), at: 6 },
  { prefix: ipaddr.IPv6.parseCIDR('::/96'), at: 6 },
  { prefix: ipaddr.IPv6.parseCIDR('64:ff9b::/96'), at: 6 },
  { prefix: ipaddr.IPv6.parseCIDR('64:ff9b:1::/48'), at: 6 },
  { prefix: ipaddr.IPv6.parseCIDR('2002::/16'), at: 1 },
  { prefix: ipaddr.IPv6.parseCIDR('2001::/32'), at: 6, inverted: true },
];

/** `forbidden`: link-local, and what clouds keep credentials behind. What is no address is forbidden as well. */
export function zoneOf(address: string): Zone {
  const bare = address.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  if (net.isIP(bare) === 0) return 'forbidden';
  const parsed = ipaddr.parse(bare);
  if (METADATA.has(parsed.toString())) return 'forbidden';
  if (parsed instanceof ipaddr.IPv6) {
    const own = parsed.toString();
    const carried = own === '::' || own === '::1' ? undefined : carriedBy(parsed);
    if (carried !== undefined) return zoneOf(carried);
  }
  const range = parsed.range();
  if (range === 'linkLocal') return 'forbidden';
  return range === 'unicast' ? 'public' : 'private';
}

function carriedBy(address: ipaddr.IPv6): string | undefined {
  const carrier = CARRIERS.find(({ prefix }) => address.match(prefix));
  if (!carrier) return undefined;
  const flip = carrier.inverted ? 0xffff : 0;
  const [high, low] = [address.parts[carrier.at]! ^ flip, address.parts[carrier.at + 1]! ^ flip];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

export interface EgressRules {
  /** Addresses of private networks and of this machine are allowed; link-local ones never are. */
  privateTargets: boolean;
  /** Sockets and files of this machine, and what its environment says of databases. */
  localFiles: boolean;
}

/** What `headrace serve` allows to connections of its API, as its flags say. */
export class Egress {
  constructor(readonly rules: EgressRules) {}

  /** Throws ConfigError where the host is an address that is not allowed; names are judged by `lookup`. */
  assertHost(host: string): void {
    const bare = host.replace(/^\[(.*)\]$/, '$1');
    if (net.isIP(bare.replace(/%.*$/, '')) !== 0) this.assertAddresses(host, [bare]);
  }

  /** The same of what it resolves to now. A name that does not resolve is left to whoever connects to it. */
  async assertResolved(host: string): Promise<void> {
    this.assertHost(host);
    const found = await dns.promises.lookup(host.replace(/^\[(.*)\]$/, '$1'), { all: true }).catch(() => []);
    this.assertAddresses(
      host,
      found.map(({ address }) => address),
    );
  }

  /** In the place of `dns.lookup`, for sockets: what it hands on was judged. */
  readonly lookup: net.LookupFunction = (host, options, callback) => {
    dns.lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      try {
        this.assertAddresses(
          host,
          found.map(({ address }) => address),
        );
      } catch (refusal) {
        return callback(refusal as Error, []);
      }
      const [first] = found;
      return options.all ? callback(null, found) : callback(null, first!.address, first!.family);
    });
  };

  /** Throws ConfigError where files of this machine may not be used. `found` is what names one. */
  assertLocal(found: string): void {
    if (this.rules.localFiles) return;
    throw new ConfigError('a connection of the API may not use files of this machine', {
      code: 'local_file_refused',
      place: 'destination.url',
      expected: 'a host, a user and a password, and no path to a certificate, a key or a socket',
      found,
      next: 'write such a connection in headrace.yaml, or start serve and workers with --allow-local-files',
    });
  }

  /** A socket that connects where it may. */
  socket(): net.Socket {
    return new GuardedSocket(this);
  }

  private assertAddresses(host: string, addresses: string[]): void {
    for (const address of addresses) {
      const zone = zoneOf(address);
      if (zone === 'public' || (zone === 'private' && this.rules.privateTargets)) continue;
      throw new ConfigError(
        zone === 'forbidden'
          ? 'link-local and metadata addresses are refused'
          : 'a connection of the API may not lead into a private network',
        {
          code: 'target_refused',
          place: host.slice(0, 200),
          expected: 'a public address',
          found: address,
          next:
            zone === 'forbidden'
              ? 'name another host'
              : 'write such a connection in headrace.yaml, or start serve and workers with --allow-private-targets',
        },
      );
    }
  }
}

class GuardedSocket extends net.Socket {
  constructor(private readonly egress: Egress) {
    super();
  }

  /** As `pg` calls it: with a port and a host, or with the path of a socket. */
  override connect(...args: unknown[]): this {
    const [target, host] = args;
    try {
      if (typeof target === 'string') this.egress.assertLocal(target);
      if (typeof target !== 'number') return super.connect(...(args as [string]));
      const name = typeof host === 'string' ? host : 'localhost';
      this.egress.assertHost(name);
      return super.connect({ port: target, host: name, lookup: this.egress.lookup });
    } catch (error) {
      process.nextTick(() => this.destroy(error as Error));
      return this;
    }
  }
}
