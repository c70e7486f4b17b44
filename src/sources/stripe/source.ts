/** Stripe as a source: streams of the key's own account or of connected ones, behind one client and one limit. */
import { createHash } from 'node:crypto';
import { RetriableError, SkippableError } from '../../base/errors.js';
import { registerSecret } from '../../base/log.js';
import { Admission } from '../../http/admission.js';
import { ApiClient } from '../../http/client.js';
import type { ApiResponse } from '../../http/request.js';
import { DIALECTS } from '../../http/dialects/vendors.js';
import { ceilingsOf } from '../ceilings.js';
import type { ConnectorParts } from '../connector.js';
import type { Account, ChangeStream, Source, SourceMemory, Stream } from '../contract.js';
import { AccountStreams, wantedOf } from './account-streams.js';
import { judge } from './answers.js';
import { checkFields, chooseStreams } from './chosen-streams.js';
import type { StripeConfig } from './config.js';
import { connectedAccounts, type Connected } from './connected-accounts.js';
import { StripeMemory } from './memory.js';
import { StripeReader } from './reader.js';
import { usualLimits } from './usual-limits.js';

export type SourceParts = Pick<ConnectorParts, 'gateFor' | 'clock' | 'random' | 'egress' | 'observe'>;

/** The source and the client that its requests go through; the engine asks the client for admission and latency. */
export async function stripeSource(config: StripeConfig, parts: SourceParts): Promise<Source & { client: ApiClient }> {
  registerSecret(config.api_key);
  const client = new ApiClient({
    baseUrl: config.base_url,
    admission: new Admission(parts.gateFor({ facts: usualLimits(config), ceilings: ceilingsOf(config) }), parts.clock),
    clock: parts.clock,
    random: parts.random,
    headers: { authorization: `Bearer ${config.api_key}` },
    dialect: DIALECTS['stripe']!,
    judge,
    egress: parts.egress,
    ...(parts.observe ? { observe: parts.observe } : {}),
  });
  try {
    const connected = config.accounts === undefined ? undefined : await connectedAccounts(client, config.accounts);
    return new StripeSource(client, config, parts, connected);
  } catch (error) {
    await client.close();
    throw error;
  }
}

class StripeSource implements Source {
  readonly name = 'stripe';
  readonly memory: SourceMemory;
  private readonly kept: StripeMemory;
  private readonly readers: StripeReader[];
  private accounts: AccountStreams[] = [];
  private opened: { streams: Stream[]; changes: ChangeStream[] } | undefined;

  constructor(
    readonly client: ApiClient,
    private readonly config: StripeConfig,
    { clock }: SourceParts,
    connected: Connected | undefined,
  ) {
    const accounts = connected && { ...connected, isList: config.accounts !== 'all' };
    const kept = new StripeMemory(config.api_version, fingerprint(config.api_key), () => clock.now(), accounts);
    this.kept = kept;
    this.readers = (connected?.ids ?? [config.account]).map(
      (account) =>
        new StripeReader({
          client,
          account,
          version: () => kept.version,
          start: this.start,
          wanted: (definition) => wantedOf(config, definition),
        }),
    );
    this.memory = {
      recall: (value, hasRows) => {
        kept.recall(value, hasRows);
        this.opened = undefined;
      },
      remember: () => kept.remember(),
    };
    // What cannot be chosen is said before anything is asked.
    checkFields(config, kept.version);
    chooseStreams(config);
  }

  get streams(): Stream[] {
    return this.open().streams;
  }

  get changes(): ChangeStream | undefined {
    return this.open().changes[0];
  }

  get moreChanges(): ChangeStream[] {
    return this.open().changes.slice(1);
  }

  notes(): string[] {
    const left = this.accounts.flatMap((account) => account.leftOut());
    return [
      ...this.kept.notes,
      ...(left.length > 0
        ? [`left out as before, and asked for again in some days, or once named under streams: ${byReason(left)}`]
        : []),
    ];
  }

  /** Proves the key, and tells the server's clock. */
  async check(signal: AbortSignal): Promise<Account> {
    let response: ApiResponse;
    const headers = this.headers();
    try {
      response = await this.client.request({
        path: '/v1/account',
        endpoint: 'account',
        headers,
        interactive: true,
        signal,
      });
    } catch (error) {
      if (!(error instanceof SkippableError)) throw error;
      // A restricted key need not see the account: any answer proves that the key is known, and its Date is what
      // counts.
      response = await this.client
        .request({ path: '/v1/events?limit=1', endpoint: 'events', headers, signal })
        .catch((second) => {
          if (second instanceof SkippableError) throw error;
          throw second;
        });
    }
    if (response.serverTimeMs === undefined)
      throw new RetriableError('Stripe sent no Date', {
        code: 'no_server_time',
        place: '/v1/account',
        expected: 'a Date header',
        found: 'none',
        next: 'check the proxy between here and Stripe',
      });
    const body = response.body as { id?: string; created?: number; object?: string };
    const isAccount = body.object === 'account';
    return {
      id: (isAccount ? body.id : undefined) ?? this.config.account ?? 'account of a restricted key',
      // Connected accounts may be older than their platform.
      createdMs:
        isAccount && typeof body.created === 'number' && this.config.accounts === undefined
          ? body.created * 1000
          : undefined,
      serverTimeMs: response.serverTimeMs,
    };
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  private headers(): Record<string, string> {
    const { account } = this.config;
    return { 'stripe-version': this.kept.version, ...(account === undefined ? {} : { 'stripe-account': account }) };
  }

  /** Seconds; nothing earlier is read. */
  private get start(): number {
    return this.config.start_date === undefined ? -Infinity : Date.parse(this.config.start_date) / 1000;
  }

  /** The streams at the version that is known by now. */
  private open(): { streams: Stream[]; changes: ChangeStream[] } {
    if (this.opened) return this.opened;
    const chosen = chooseStreams(this.config);
    checkFields(this.config, this.kept.version);
    this.accounts = this.readers.map(
      (reader) => new AccountStreams(reader, this.config, chosen, this.kept, this.start),
    );
    const changes = this.accounts.flatMap((account) => account.changes() ?? []);
    return (this.opened = { streams: this.accounts.flatMap(({ streams }) => streams), changes });
  }
}

/** Tells keys apart without telling what they are. */
function fingerprint(key: string): string {
  return createHash('sha256').update(`headrace stripe\u0001${key}`).digest('hex').slice(0, 16);
}

/** Each reason once, with the streams that it is of. A request's id is of one of them alone. */
function byReason(left: { stream: string; reason: string }[]): string {
  const streams = new Map<string, string[]>();
  for (const { stream, reason } of left) {
    const own = reason.replace(/ \(req_\w*\)?(?: …)?$/, '');
    streams.set(own, [...(streams.get(own) ?? []), stream]);
  }
  return [...streams].map(([reason, names]) => `${names.join(', ')}: ${reason}`).join('; ');
}
