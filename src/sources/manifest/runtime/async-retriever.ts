/**
 * Asynchronous jobs: one is created, asked about until it is done, and what it made is downloaded. Each step is a page
 * of its own, so that a run that was stopped asks about the job that it had begun.
 */
import { FatalError, RetriableError } from '../../../base/errors.js';
import type { ApiResponse } from '../../../http/client.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import { decoder } from './decoders.js';
import { fields, now, type Kit, type Scope } from './kit.js';
import { emptyParts, type RequestParts } from './options.js';
import { headerDict } from './answer-headers.js';
import { paginator } from './paginator.js';
import { extractor, selector } from './records.js';
import { exchanger, type PageInput, type PageOutput, type Retriever, type RetrieverParts } from './retriever.js';
import { replaced } from './twins.js';

const POLL_FIRST_MS = 1_000;
const POLL_LAST_MS = 30_000;
const MOST_ATTEMPTS = 3;
const DEFAULT_TIMEOUT_MINUTES = 60;

/** Where a job stands; kept in the ledger, so it holds what later requests need and no more. */
type Step =
  | { step: 'poll'; creation: Dict; polls: number; sinceMs: number; attempt: number }
  | { step: 'download'; creation: Dict; polling: Dict; targets: Json[]; at: number; token: Json; attempt: number };

type Status = 'running' | 'completed' | 'failed' | 'timeout' | 'skipped';

export function asyncRetriever(
  kit: Kit,
  stream: JsonObject,
  component: JsonObject,
  schema: () => JsonObject,
  parts: RetrieverParts,
): Retriever {
  const own = component;
  const name = String(stream['name'] ?? '');
  const decode = decoder(kit, fields(own, 'decoder'));
  const creation = exchanger(kit, name, own['creation_requester'] as JsonObject, decode, parts);
  const polling = exchanger(kit, name, own['polling_requester'] as JsonObject, decode, parts);
  const targetRequest = fields(own, 'download_target_requester');
  const targets = targetRequest && exchanger(kit, name, targetRequest, decode, parts);
  const download = exchanger(
    kit,
    name,
    own['download_requester'] as JsonObject,
    decoder(kit, fields(own, 'download_decoder')),
    parts,
  );
  const pages = paginator(kit, fields(own, 'download_paginator'));
  const statusOf = extractor(kit, own['status_extractor'] as JsonObject, true);
  const targetsOf = isObject(own['download_target_extractor'])
    ? extractor(kit, own['download_target_extractor'], true)
    : undefined;
  const extract =
    isObject(own['download_extractor']) &&
    replaced(kit, own['download_extractor'])['type'] !== 'ResponseToFileExtractor'
      ? extractor(kit, own['download_extractor'])
      : undefined;
  const select = selector(kit, own['record_selector'] as JsonObject, stream, schema);
  const statuses = statusMap(own['status_mapping'] as JsonObject);
  const timeoutMs = Number(now(kit, own, own['polling_job_timeout'] ?? DEFAULT_TIMEOUT_MINUTES)) * 60_000;
  const scopeOf = (slice: Dict, more: Dict): Scope => ({
    ...more,
    stream_slice: { ...slice, extra_fields: { ...(slice['extra_fields'] as Dict | undefined), ...more } },
  });

  const create = async (input: PageInput, attempt: number): Promise<PageOutput> => {
    const { response, documents } = await creation.send({
      ...input,
      scope: scopeOf(input.slice, {}),
      isFirst: true,
      fill: (filled) => void input.fill(filled),
    });
    const seen: RequestParts = { ...emptyParts(), ...creation.requests.parts(scopeOf(input.slice, {})) };
    return step(response, {
      step: 'poll',
      creation: { ...dictOf(documents[0], response), request: { headers: seen.headers as Dict } },
      polls: 0,
      sinceMs: kit.clock.now(),
      attempt,
    });
  };

  const poll = async (input: PageInput, at: Extract<Step, { step: 'poll' }>): Promise<PageOutput> => {
    await kit.clock.sleep(Math.min(POLL_LAST_MS, POLL_FIRST_MS * 1.5 ** at.polls), input.signal);
    const scope = scopeOf(input.slice, { creation_response: at.creation });
    const { response, documents } = await polling.send({ ...input, scope, isFirst: true, fill: () => undefined });
    const [said] = documents.flatMap((document) => statusOf(document, scope) as unknown[]);
    const status = statuses.get(String(said));
    if (status === undefined)
      throw new FatalError('a job has a status that the manifest does not know', {
        code: 'job_status',
        place: `stream ${name}`,
        expected: [...statuses.keys()].join(', '),
        found: String(said),
        next: 'add it to status_mapping',
      });
    const isLate = kit.clock.now() - at.sinceMs > timeoutMs;
    if (status === 'skipped') return end(response);
    if (status === 'running' && !isLate) return step(response, { ...at, polls: at.polls + 1 });
    if (status === 'completed') {
      const polled = dictOf(documents[0], response);
      const more = { creation_response: at.creation, polling_response: polled };
      const answered = targets
        ? (
            await targets.send({
              ...input,
              ticket: undefined,
              scope: scopeOf(input.slice, more),
              isFirst: true,
              fill: () => undefined,
            })
          ).documents
        : documents;
      const found = targetsOf
        ? answered.flatMap((document) => targetsOf(document, scopeOf(input.slice, more)) as unknown as Json[])
        : [null];
      return found.length === 0
        ? end(response)
        : step(response, {
            step: 'download',
            creation: at.creation,
            polling: polled,
            targets: found,
            at: 0,
            token: pages.first,
            attempt: at.attempt,
          });
    }
    if (at.attempt >= MOST_ATTEMPTS)
      throw new RetriableError('a job does not come to its end', {
        code: 'job_failed',
        place: `stream ${name}`,
        expected: 'a completed job',
        found: isLate ? `${String(said)} after ${Math.round(timeoutMs / 60_000)} minutes` : String(said),
        next: 'run again later; the sync continues where it stopped',
      });
    return create({ ...input, ticket: undefined }, at.attempt + 1);
  };

  const fetch = async (input: PageInput, at: Extract<Step, { step: 'download' }>): Promise<PageOutput> => {
    const scope = scopeOf(input.slice, {
      creation_response: at.creation,
      polling_response: at.polling,
      download_target: at.targets[at.at] as Dict,
    });
    const { response, documents } = await download.send({
      ...input,
      scope,
      isFirst: true,
      fill: (filled) => pages.apply(filled, at.token),
    });
    const raw = extract ? documents.flatMap((document) => extract(document, scope)) : documents;
    const selected = select(raw.length > 0 ? [raw] : [], scope);
    const token =
      documents.length === 0
        ? null
        : pages.next({
            document: documents[0],
            headers: headerDict(response.headers),
            size: selected.received.length,
            lastRecord: selected.received.at(-1),
            token: at.token,
            slice: input.slice,
          });
    const next: Step | undefined =
      token !== null
        ? { ...at, token }
        : at.at + 1 < at.targets.length
          ? { ...at, at: at.at + 1, token: pages.first }
          : undefined;
    return {
      ...selected,
      next: (next ?? null) as Json,
      serverTimeMs: response.serverTimeMs,
      bytes: response.bytes,
      document: documents[0],
    };
  };

  return {
    requester: creation.requests,
    paginator: { first: null, pageSize: undefined, tokenOf: undefined, next: () => null, apply: () => undefined },
    page(input) {
      const at = input.token as unknown as Step | null;
      if (at === null) return create(input, 1);
      return at.step === 'poll' ? poll(input, at) : fetch(input, at);
    },
  };
}

function step(response: ApiResponse, next: Step): PageOutput {
  return {
    records: [],
    received: [],
    next: next as unknown as Json,
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
