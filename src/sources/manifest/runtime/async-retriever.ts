/**
 * Asynchronous jobs: one is created, asked about until it is done, and what it made is downloaded. Each step is a page
 * of its own, so that a run that was stopped asks about the job that it had begun.
 */
import { FatalError, PausedError, RetriableError } from '../../../base/errors.js';
import type { ApiResponse } from '../../../http/request.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import { decoder } from './decoders.js';
import { exchanger, type Exchanger, type RetrieverParts } from './exchange.js';
import { fields, now, type Kit, type Scope } from './kit.js';
import { emptyParts, type RequestParts } from './options.js';
import { onwards, throwFailure } from './onwards.js';
import { paginator, type Paginator } from './paginator.js';
import { extractor, selector, type Extract, type Select } from './records.js';
import type { Requester } from './requester.js';
import type { PageInput, PageOutput, Retriever } from './retriever.js';
import { replaced } from './twins.js';

const POLL_FIRST_MS = 1_000;
const POLL_LAST_MS = 30_000;
const MOST_ATTEMPTS = 3;
const DEFAULT_TIMEOUT_MINUTES = 60;

/** Where a job stands; kept in the ledger, so it holds what later requests need and no more. */
type Step = Poll | Download | Removal;

interface Poll {
  step: 'poll';
  creation: Dict;
  polls: number;
  sinceMs: number;
  attempt: number;
}

interface Download {
  step: 'download';
  creation: Dict;
  polling: Dict;
  targets: Json[];
  at: number;
  token: Json;
  attempt: number;
}

/** What the job made was committed: it may go. */
interface Removal {
  step: 'remove';
  creation: Dict;
  polling: Dict;
}

type Status = 'running' | 'completed' | 'failed' | 'timeout' | 'skipped';

export function asyncRetriever(
  kit: Kit,
  stream: JsonObject,
  component: JsonObject,
  schema: () => JsonObject,
  parts: RetrieverParts,
): Retriever {
  const jobs = new Jobs(kit, stream, component, schema, parts);
  return {
    requester: jobs.requester,
    paginator: { first: null, pageSize: undefined, tokenOf: undefined, next: () => null, apply: () => undefined },
    page(input) {
      // The token is this retriever's own: it came from `step`, through the state.
      const at = input.token as unknown as Step | null;
      if (at === null) return jobs.create(input, 1);
      if (at.step === 'poll') return jobs.poll(input, at);
      return at.step === 'download' ? jobs.download(input, at) : jobs.remove(input, at);
    },
  };
}

/** The jobs of one stream. */
class Jobs {
  private readonly name: string;
  private readonly creation: Exchanger;
  private readonly polling: Exchanger;
  private readonly targets: Exchanger | undefined;
  private readonly downloads: Exchanger;
  private readonly removals: Exchanger | undefined;
  private readonly aborts: Exchanger | undefined;
  private readonly pages: Paginator;
  private readonly statusOf: Extract;
  private readonly targetsOf: Extract | undefined;
  private readonly extract: Extract | undefined;
  private readonly select: Select;
  private readonly statuses: Map<string, Status>;
  private readonly timeoutMs: number;

  constructor(
    private readonly kit: Kit,
    stream: JsonObject,
    own: JsonObject,
    schema: () => JsonObject,
    parts: RetrieverParts,
  ) {
    this.name = String(stream['name'] ?? '');
    const decode = decoder(kit, fields(own, 'decoder'));
    const sender = (requester: JsonObject, answers = decode) => exchanger(kit, this.name, requester, answers, parts);
    this.creation = sender(own['creation_requester'] as JsonObject);
    this.polling = sender(own['polling_requester'] as JsonObject);
    const optional = (name: string) => {
      const requester = fields(own, name);
      return requester && sender(requester);
    };
    this.targets = optional('download_target_requester');
    this.removals = optional('delete_requester');
    this.aborts = optional('abort_requester');
    this.downloads = sender(own['download_requester'] as JsonObject, decoder(kit, fields(own, 'download_decoder')));
    this.pages = paginator(kit, fields(own, 'download_paginator'));
    this.statusOf = extractor(kit, own['status_extractor'] as JsonObject, 'values');
    this.targetsOf = isObject(own['download_target_extractor'])
      ? extractor(kit, own['download_target_extractor'], 'values')
      : undefined;
    this.extract =
      isObject(own['download_extractor']) &&
      replaced(kit, own['download_extractor'])['type'] !== 'ResponseToFileExtractor'
        ? extractor(kit, own['download_extractor'], 'parts')
        : undefined;
    // What a job made is taken apart by its download_extractor: the selector's own is not asked, as in Airbyte.
    const whole = { type: 'DpathExtractor', field_path: [] };
    const taken = { ...replaced(kit, own['record_selector'] as JsonObject), extractor: whole };
    this.select = selector(kit, taken, stream, schema);
    this.statuses = statusMap(own['status_mapping'] as JsonObject);
    this.timeoutMs = Number(now(kit, own, own['polling_job_timeout'] ?? DEFAULT_TIMEOUT_MINUTES)) * 60_000;
  }

  get requester(): Requester {
    return this.creation.requests;
  }

  async create(input: PageInput, attempt: number): Promise<PageOutput> {
    const scope = scopeOf(input.slice, {});
    const { response, documents } = await this.creation.send({
      ...input,
      scope,
      isFirst: true,
      fill: (filled) => void input.fill(filled),
    });
    const seen: RequestParts = { ...emptyParts(), ...this.creation.requests.parts(scope) };
    return step(response, {
      step: 'poll',
      creation: { ...dictOf(documents[0], response), request: { headers: seen.headers as Dict } },
      polls: 0,
      sinceMs: this.kit.clock.now(),
      attempt,
    });
  }

  async poll(input: PageInput, at: Poll): Promise<PageOutput> {
    const { clock } = this.kit;
    await clock.sleep(Math.min(POLL_LAST_MS, POLL_FIRST_MS * 1.5 ** at.polls), input.signal);
    const scope = scopeOf(input.slice, { creation_response: at.creation });
    const { response, documents } = await this.polling.send({ ...input, scope, isFirst: true, fill: () => undefined });
    const [said] = documents.flatMap((document) => this.statusOf(document, scope) as unknown[]);
    const status = this.statuses.get(String(said));
    if (status === undefined)
      throw new FatalError('a job has a status that the manifest does not know', {
        code: 'job_status',
        place: `stream ${this.name}`,
        expected: [...this.statuses.keys()].join(', '),
        found: String(said),
        next: 'add it to status_mapping',
      });
    const isLate = clock.now() - at.sinceMs > this.timeoutMs;
    if (status === 'skipped') return end(response);
    if (status === 'running' && !isLate) return step(response, { ...at, polls: at.polls + 1 });
    if (status === 'completed') return this.completed(input, at, response, documents);
    if (isLate) await this.ask(this.aborts, { ...input, ticket: undefined }, scope);
    if (at.attempt >= MOST_ATTEMPTS)
      throw new RetriableError('a job does not come to its end', {
        code: 'job_failed',
        place: `stream ${this.name}`,
        expected: 'a completed job',
        found: isLate ? `${String(said)} after ${Math.round(this.timeoutMs / 60_000)} minutes` : String(said),
        next: 'run again later; the sync continues where it stopped',
      });
    return this.create({ ...input, ticket: undefined }, at.attempt + 1);
  }

  /** What a completed job made: what it names, or what it is asked for. */
  private async completed(
    input: PageInput,
    at: Poll,
    response: ApiResponse,
    documents: unknown[],
  ): Promise<PageOutput> {
    const { targets, targetsOf } = this;
    const polling = dictOf(documents[0], response);
    const scope = scopeOf(input.slice, { creation_response: at.creation, polling_response: polling });
    const answered = targets
      ? (await targets.send({ ...input, ticket: undefined, scope, isFirst: true, fill: () => undefined })).documents
      : documents;
    // What an extractor finds in a decoded answer is JSON.
    const found = targetsOf ? answered.flatMap((document) => targetsOf(document, scope) as unknown as Json[]) : [null];
    if (found.length === 0) return end(response);
    const { creation, attempt } = at;
    const token = this.pages.first;
    return step(response, { step: 'download', creation, polling, targets: found, at: 0, token, attempt });
  }

  async download(input: PageInput, at: Download): Promise<PageOutput> {
    const { pages, extract } = this;
    const scope = scopeOf(input.slice, {
      creation_response: at.creation,
      polling_response: at.polling,
      download_target: at.targets[at.at] as Dict,
    });
    const {
      response,
      documents,
      failure: broken,
    } = await this.downloads.send({
      ...input,
      scope,
      half: input.takesHalf,
      isFirst: true,
      fill: (filled) => pages.apply(filled, at.token),
    });
    const raw = extract ? documents.flatMap((document) => extract(document, scope)) : documents;
    const selected = this.select(raw.length > 0 ? [raw] : [], scope);
    selected.failure ??= broken;
    const { next: token, failure } =
      documents.length === 0
        ? { next: null, failure: undefined }
        : onwards(pages, documents[0], response.headers, selected, at.token, input.slice);
    if (!input.takesHalf || selected.records.length === 0) throwFailure({ failure });
    const next: Step | undefined =
      token !== null
        ? { ...at, token }
        : at.at + 1 < at.targets.length
          ? { ...at, at: at.at + 1, token: pages.first }
          : this.removals && { step: 'remove', creation: at.creation, polling: at.polling };
    return {
      ...selected,
      failure,
      next: (next ?? null) as Json,
      serverTimeMs: response.serverTimeMs,
      bytes: response.bytes,
      document: documents[0],
    };
  }

  /** Its rows are committed by now; a step that is repeated finds the job gone. */
  async remove(input: PageInput, { creation, polling }: Removal): Promise<PageOutput> {
    const scope = scopeOf(input.slice, { creation_response: creation, polling_response: polling });
    const response = await this.ask(this.removals, input, scope);
    return response ? end(response) : { ...NOTHING };
  }

  /** A request that is a courtesy to the server: no row hangs on its answer. */
  private async ask(whom: Exchanger | undefined, input: PageInput, scope: Scope): Promise<ApiResponse | undefined> {
    try {
      return (await whom?.send({ ...input, scope, isFirst: true, fill: () => undefined }))?.response;
    } catch (error) {
      if (error instanceof PausedError) throw error;
      return undefined;
    }
  }
}

const NOTHING: PageOutput = {
  records: [],
  received: [],
  next: null,
  serverTimeMs: undefined,
  bytes: 0,
  document: undefined,
};

function scopeOf(slice: Dict, more: Dict): Scope {
  return {
    ...more,
    stream_slice: { ...slice, extra_fields: { ...(slice['extra_fields'] as Dict | undefined), ...more } },
  };
}

function step(response: ApiResponse, next: Step): PageOutput {
  return {
    records: [],
    received: [],
    // A step is JSON, which its interface does not say.
    next: next as unknown as Json,
    isStep: true,
    serverTimeMs: response.serverTimeMs,
    bytes: response.bytes,
    document: undefined,
  };
}

function end(response: ApiResponse): PageOutput {
  return {
    records: [],
    received: [],
    next: null,
    serverTimeMs: response.serverTimeMs,
    bytes: response.bytes,
    document: undefined,
  };
}

/** What templates see of an answer: its body, and its headers beside it. */
function dictOf(document: unknown, response: ApiResponse): Dict {
  const headers = Object.fromEntries(
    Object.entries(response.headers).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
  return { ...(isObject(document) ? (document as Dict) : {}), headers };
}

function statusMap(mapping: JsonObject): Map<string, Status> {
  const out = new Map<string, Status>();
  for (const status of ['running', 'completed', 'failed', 'timeout', 'skipped'] as const)
    for (const word of Array.isArray(mapping[status]) ? mapping[status] : []) out.set(String(word), status);
  return out;
}

export const isAsync = (component: JsonObject): boolean => component['type'] === 'AsyncRetriever';
