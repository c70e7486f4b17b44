/** A manifest as a source: the same to the engine as a connector written in TypeScript. */
import type { Clock } from '../../base/clock.js';
import type { Egress } from '../../base/egress.js';
import { ConfigError, HeadraceError, RetriableError } from '../../base/errors.js';
import type { Ceilings, Gate, InterchangeableGates, LimitFact, QuotaSource } from '../../gate/gate.js';
import { Admission } from '../../http/admission.js';
import { ApiClient, type AttemptEvent, type ClientOptions } from '../../http/client.js';
import type { Dialect } from '../../http/dialects/dialect.js';
import { DIALECTS } from '../../http/dialects/vendors.js';
import type { Random } from '../../base/random.js';
import type { Source, Stream } from '../contract.js';
import { schemaOf } from './catalog.js';
import { account, check, checkedDefinition, type Checked } from './check.js';
import { isAsync } from './runtime/async-retriever.js';
import { placeOf, type Manifest } from './document/manifest.js';
import { isObject, type JsonObject } from './document/read.js';
import { authenticator, chosenAuthenticator } from './runtime/auth.js';
import type { Authenticator } from './runtime/credential.js';
import { budgetFacts } from './runtime/api-budget.js';
import { dynamicSchema } from './runtime/dynamic-schema.js';
import { GroupLock } from './runtime/group-lock.js';
import type { Interval } from './runtime/interval.js';
import { fields, list, text, valuesAt, type Kit } from './runtime/kit.js';
import { lengthOf, secondsOf } from './runtime/interval-text.js';
import { LoginClient } from './runtime/login-client.js';
import { PageCache } from './runtime/page-cache.js';
import { queryPropertiesOf, requester, type Requester } from './runtime/requester.js';
import type { RetrieverParts } from './runtime/exchange.js';
import { retriever } from './runtime/retriever.js';
import { declarativeStream, unreadable, type StreamParts } from './runtime/stream.js';
import { TokenRotation } from './runtime/token-rotation.js';
import type { Twins } from './runtime/twin.js';
import { replaced } from './runtime/twins.js';
import { allStreams, chosenStreams, hasFetchedStreams, identityOf, nameOf, partsOf, staticStreams } from './streams.js';
import { Templates } from './templates/template.js';

export type GateFor = (limits: { facts: LimitFact[]; ceilings: Ceilings }) => Gate;
/** Of credentials that stand in for each other. */
export type GatesFor = (
  limits: { facts: LimitFact[]; ceilings: Ceilings },
  credentials: string[],
  quotas: QuotaSource,
) => InterchangeableGates;

export interface DeclarativeInput {
  manifest: Manifest;
  /** Checked already. */
  config: JsonObject;
  /** Where the API is, instead of the manifest's own address. */
  baseUrl?: string | undefined;
  twins: Twins;
  /** Read these streams only; all where it is left out. */
  streams?: string[] | undefined;
  exclude?: string[] | undefined;
  ceilings: Ceilings;
  gateFor: GateFor;
  gatesFor: GatesFor;
  clock: Clock;
  random: Random;
  egress?: Egress | undefined;
  observe?: ((event: AttemptEvent) => void) | undefined;
  onExchange?: RetrieverParts['onExchange'];
  /** What sends, where that is not undici. */
  dispatcher?: ClientOptions['dispatcher'];
  /** Where files go that records point to, and of which streams; all that have them where it is left out. */
  files?: { folder: string; streams?: string[] | undefined } | undefined;
  /** A source that changed its own configuration: a refresh token that is good for one use. */
  onConfigChange?: ((config: JsonObject) => void) | undefined;
  /** False: whoever reads knows no proof, so nothing is asked for its sake alone. Default: true. */
  proves?: boolean | undefined;
}

export interface DeclarativeSource extends Source {
  /** `unreadable`: why a stream cannot be read. */
  streams: (Stream & { unreadable?: string })[];
  client: ApiClient;
  kit: Kit;
  /** Time filters of streams, by name. */
  intervals: Map<string, Interval>;
  /** Streams as the manifest has them, by name. */
  definitions: Map<string, JsonObject>;
}

export async function declarativeSource(input: DeclarativeInput): Promise<DeclarativeSource> {
  const templates = new Templates(() => input.clock.now());
  const kit: Kit = {
    manifest: input.manifest,
    config: input.config,
    templates,
    clock: input.clock,
    twins: input.twins,
    baseUrl: input.baseUrl,
    onConfigChange: input.onConfigChange ?? (() => {}),
    notes: new Set(),
    propertyLists: new Map(),
    proves: input.proves ?? true,
  };
  return new Builder(kit, input).build();
}

class Builder {
  private readonly dialect: Dialect;
  private client!: ApiClient;
  private loginClient!: LoginClient;
  private parts!: RetrieverParts;
  private readonly authenticators = new Map<string, Authenticator>();
  private readonly streams: Stream[] = [];
  /** Streams by what they are, so that a parent is read once whoever needs it. */
  private readonly known = new Map<string, string>();
  private readonly chosen = new Map<string, JsonObject>();
  private readonly locks = new Map<string, GroupLock>();
  private readonly intervals = new Map<string, Interval>();
  private readonly pages = new PageCache();

  constructor(
    private readonly kit: Kit,
    private readonly input: DeclarativeInput,
  ) {
    const vendor = input.manifest.name.replace(/^source-/, '');
    this.dialect = DIALECTS[vendor] ?? DIALECTS['generic']!;
    for (const group of Object.values((input.manifest.root['stream_groups'] as JsonObject | undefined) ?? {})) {
      if (!isObject(group)) continue;
      const members = list(group, 'streams').map(nameOf);
      const lock = new GroupLock();
      if (members.length > 1) for (const member of members) this.locks.set(member, lock);
    }
  }

  async build(): Promise<DeclarativeSource> {
    const { kit, input } = this;
    const streamsInput = { manifest: kit.manifest, config: kit.config, templates: kit.templates };
    const written = staticStreams(streamsInput);
    this.open(written);
    const definitions = hasFetchedStreams(kit.manifest)
      ? await allStreams(streamsInput, (component) => this.fetchAll(component))
      : written;
    const chosen = chosenStreams(kit.manifest.name, definitions, input);
    for (const json of chosen) {
      this.known.set(identityOf(json), nameOf(json));
      this.chosen.set(nameOf(json), json);
    }
    for (const json of chosen) await this.add(json, nameOf(json), true);
    return {
      name: kit.manifest.name,
      kit,
      intervals: this.intervals,
      client: this.client,
      streams: this.streams,
      changes: undefined,
      definitions: new Map(chosen.map((json) => [nameOf(json), json])),
      check: async (signal) => check(kit, this.checked(definitions), signal),
      account: async (signal) => account(kit, this.checked(definitions), this.client, signal),
      notes: () => [...kit.notes],
      close: async () => {
        await this.client.close();
        await this.loginClient.close();
      },
    };
  }

  /** What a check reads: a stream of this source, or one that is made for the check alone. */
  private checked(definitions: JsonObject[]): Checked {
    const json = checkedDefinition(this.kit, definitions);
    // Files are not fetched for a check.
    const known =
      json['file_uploader'] === undefined
        ? this.streams.find((stream) => stream.name === this.known.get(identityOf(json)))
        : undefined;
    const stream =
      known ??
      declarativeStream(json, nameOf(json), false, {
        kit: this.kit,
        retrieverParts: this.parts,
        schemaOf: () => ({}),
        parentName: (parent, child) => this.parentName(parent, child),
        lockOf: () => undefined,
        addWalk() {},
        pages: this.pages,
        filesOf: () => undefined,
      });
    return { name: nameOf(json), stream, makesJob: isAsync((json['retriever'] ?? {}) as JsonObject) };
  }

  private open(definitions: JsonObject[]): void {
    const { kit, input } = this;
    const requesters: Requester[] = [];
    for (const json of definitions.flatMap(partsOf)) {
      const component = json['retriever'];
      const own = isObject(component) ? (component['requester'] ?? component['creation_requester']) : undefined;
      if (!isObject(own)) continue;
      try {
        requesters.push(requester(kit, own));
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
      }
    }
    const base = requesters.find((each) => URL.canParse(each.base))?.base ?? 'http://localhost';
    const facts = budgetFacts(kit, requesters);
    this.loginClient = new LoginClient(kit, new URL(base).origin, input, (own, loginBase) =>
      this.authenticator(own, loginBase),
    );
    const rotation = this.rotation(requesters, facts);
    this.client = new ApiClient({
      baseUrl: new URL(base).origin,
      admission: new Admission(rotation?.gate ?? input.gateFor({ facts, ceilings: input.ceilings }), input.clock),
      clock: input.clock,
      random: input.random,
      headers: { accept: '*/*' },
      dialect: this.dialect,
      judge: () => ({ kind: 'ok' }),
      egress: input.egress,
      ...(input.dispatcher ? { dispatcher: input.dispatcher } : {}),
      ...(input.observe ? { observe: input.observe } : {}),
    });
    this.parts = {
      onExchange: input.onExchange,
      client: this.client,
      dialect: this.dialect,
      authenticator: (component, base) => this.authenticator(component, base),
    };
  }

  /** Several tokens that stand in for each other: then there is a gate for each. */
  private rotation(requesters: Requester[], facts: LimitFact[]): TokenRotation | undefined {
    const { kit, input } = this;
    for (const { component } of requesters) {
      const wanted = fields(component, 'authenticator');
      if (!wanted) continue;
      let own: JsonObject;
      try {
        own = chosenAuthenticator(kit, wanted);
      } catch (error) {
        // Its streams say so.
        if (error instanceof ConfigError) continue;
        throw error;
      }
      if (own['type'] !== 'RateLimitedMultipleTokenAuthenticator') continue;
      const rotation = new TokenRotation(kit, own, {
        gateFor: (tokens, quotas) => input.gatesFor({ facts, ceilings: input.ceilings }, tokens, quotas),
        send: this.loginClient.send,
        requesters,
      });
      this.authenticators.set(identityOf(own), rotation);
      return rotation;
    }
    return undefined;
  }

  /** What cannot be built does not keep the others from running. */
  private async add(json: JsonObject, name: string, stored: boolean): Promise<void> {
    if (this.streams.some((stream) => stream.name === name)) return;
    const { kit } = this;
    const fault = json['retriever'] === undefined ? kit.manifest.faults.get(name) : undefined;
    try {
      if (fault) throw fault;
      const [own, first] = (await Promise.all(partsOf(json).map((part) => this.streamOf(part, name, stored)))) as [
        Stream & { interval: Interval | undefined },
        Stream | undefined,
      ];
      const period = text(kit, json, json['api_retention_period'] ?? '')({});
      const kept = period === '' ? undefined : lengthOf(kit, json, 'api_retention_period');
      const stream = first ? { ...own, first, keptSeconds: kept && secondsOf(kept) } : own;
      if (stream.interval) this.intervals.set(name, stream.interval);
      this.streams.push(stream);
      for (const part of partsOf(json)) await this.addParents(part);
    } catch (error) {
      if (!(error instanceof HeadraceError) || error instanceof RetriableError) throw error;
      this.streams.push({ ...unreadable(json, name, error), stored });
    }
  }

  private async streamOf(
    json: JsonObject,
    name: string,
    stored: boolean,
  ): Promise<Stream & { interval: Interval | undefined }> {
    const { kit } = this;
    const retrieverType = (json['retriever'] as JsonObject)['type'];
    if (
      retrieverType !== 'SimpleRetriever' &&
      retrieverType !== 'AsyncRetriever' &&
      replaced(kit, json['retriever'] as JsonObject)['type'] !== 'SimpleRetriever'
    ) {
      throw new ConfigError(`stream ${name} is read by a ${String(retrieverType)}`, {
        code: 'unsupported_component',
        place: placeOf(kit.manifest, json['retriever']),
        expected: 'a SimpleRetriever or an AsyncRetriever',
        found: String(retrieverType),
        next: 'read this stream by other means; the others run',
      });
    }
    await this.askForProperties(json['retriever'] as JsonObject);
    const schemas = new Map<JsonObject, JsonObject>([[json, await this.schema(json)]]);
    const streamParts: StreamParts = {
      kit,
      retrieverParts: this.parts,
      schemaOf: (stream) => schemas.get(stream) ?? schemaOf(stream, kit),
      parentName: (parent, child) => this.parentName(parent, child),
      lockOf: (stream) => this.locks.get(stream),
      addWalk: (make) => this.streams.push(make()),
      pages: this.pages,
      filesOf: (stream) =>
        (this.input.files?.streams?.includes(stream) ?? true) ? this.input.files?.folder : undefined,
    };
    return declarativeStream(json, name, stored, streamParts);
  }

  /** Parents are streams of their own; one that nobody asked for is not stored. */
  private async addParents(json: JsonObject): Promise<void> {
    for (const each of list(json['retriever'] as JsonObject, 'partition_router').map((component) =>
      replaced(this.kit, component),
    )) {
      for (const parent of list(each, 'parent_stream_configs').map((component) => replaced(this.kit, component))) {
        const stream = parent['stream'] as JsonObject;
        const name = this.known.get(identityOf(stream));
        if (name === undefined) continue;
        // One that is wanted itself may come after its children, and is stored all the same.
        const own = this.chosen.get(name);
        await this.add(own ?? stream, name, own !== undefined);
      }
    }
  }

  private parentName(parent: JsonObject, child: string): string {
    const id = identityOf(parent);
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const taken = new Set(this.known.values());
    let name = `_${nameOf(parent)}`;
    if (taken.has(name)) name = `_${nameOf(parent)}_of_${child}`;
    this.known.set(id, name);
    return name;
  }

  private async schema(json: JsonObject): Promise<JsonObject> {
    const { kit } = this;
    const loader = json['schema_loader'];
    if (isObject(loader) && loader['type'] === 'DynamicSchemaLoader')
      return dynamicSchema(kit, loader, () => this.fetchAll(loader['retriever'] as JsonObject));
    return schemaOf(json, kit);
  }

  /** A list of properties that the API itself tells, asked for once. */
  private async askForProperties(component: JsonObject): Promise<void> {
    const own = component['requester'];
    const list = isObject(own) ? queryPropertiesOf(replaced(this.kit, own))?.['property_list'] : undefined;
    if (!isObject(list) || this.kit.propertyLists.has(list)) return;
    const path = Array.isArray(list['property_field_path'])
      ? list['property_field_path'].map((part) => text(this.kit, list, part)({}))
      : [];
    const records = await this.fetchAll(list['retriever'] as JsonObject);
    this.kit.propertyLists.set(list, [...new Set(records.flatMap((record) => valuesAt(record, path)).map(String))]);
  }

  /** All records of a retriever that belongs to no stream. */
  private async fetchAll(component: JsonObject): Promise<JsonObject[]> {
    const records: JsonObject[] = [];
    const read = retriever(this.kit, { name: 'components' }, component, () => ({}), this.parts);
    for (let token = read.paginator.first, more = true; more;) {
      const page = await read.page({
        slice: {},
        token,
        signal: new AbortController().signal,
        weight: () => Infinity,
        fill: () => {},
      });
      records.push(...(page.records as JsonObject[]));
      token = page.next;
      more = token !== null;
    }
    return records;
  }

  /** `base`: where the requester's API is, for those who log in there. */
  private authenticator(component: JsonObject | undefined, base: string): Authenticator {
    const own = component && chosenAuthenticator(this.kit, component);
    const id = own ? identityOf(own) + (own['type'] === 'LegacySessionTokenAuthenticator' ? base : '') : '';
    const known = this.authenticators.get(id);
    if (known) return known;
    const made = authenticator(this.kit, component, base, this.loginClient.send, this.loginClient.login);
    this.authenticators.set(id, made);
    return made;
  }
}
