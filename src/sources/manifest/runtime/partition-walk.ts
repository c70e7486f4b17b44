/**
 * Partitions that no single parent's pages bring: several parents, their combinations, unions and groups. They are
 * walked page by page, from a cursor that names the last one, so that neither memory nor state grows with their number.
 */
import { LIMITS } from '../../../base/bounds.js';
import type { DataRecord } from '../../../base/catalog.js';
import { parseJson, stringifyJson } from '../../../base/json.js';
import type { Page, Stream } from '../../contract.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { identityOf } from '../streams.js';
import type { PageCache } from './page-cache.js';
import {
  grouped,
  merged,
  sliceText,
  unified,
  WHOLE,
  type ParentConfig,
  type Partition,
  type Router,
} from './partitions.js';

export interface WalkParts {
  /** A parent as a stream of its own, for its pages alone. */
  streamOf: (json: JsonObject) => Stream;
  routerOf: (json: JsonObject) => Router;
  cache: PageCache;
}

interface Step {
  partitions: Partition[];
  /** Where the walk goes on; null: it is at its end. */
  next: Json;
}

type Walk = (at: Json, signal: AbortSignal) => Promise<Step>;

/** Identifies a partition on the page of its outer walk. */
const nameIn = (partition: Partition) => sliceText(partition);

/** The partitions as a chain of their own, which the stream's slices are opened from. */
export function partitionStream(name: string, routing: Router, endpoint: string, parts: WalkParts): Stream {
  const walk = walkOf(routing, parts);
  return {
    name,
    schema: { properties: {} },
    primaryKey: [],
    division: { kind: 'chain', pageRows: 100 },
    follow: { kind: 'reread' },
    stored: false,
    endpoint,
    selfAdmitting: true,
    async page({ cursor, signal }): Promise<Page> {
      let step = await walk(cursor === null ? null : (parseJson(cursor) as Json), signal);
      // A page without partitions says nothing of the next one.
      while (step.partitions.length === 0 && step.next !== null) step = await walk(step.next, signal);
      const records = step.partitions.map((partition): DataRecord => ({ slice: sliceText(partition) }));
      return {
        records,
        next: step.next === null ? null : stringifyJson(step.next),
        hasMore: step.next !== null,
        serverTimeMs: undefined,
        bytes: 0,
      };
    },
  };
}

function walkOf(routing: Router, parts: WalkParts): Walk {
  switch (routing.kind) {
    case 'none':
      return async () => ({ partitions: [WHOLE], next: null });
    case 'list':
      return async () => ({ partitions: routing.partitions(), next: null });
    case 'parents':
      return sequence(routing.parents.map((parent) => childrenOf(parent, parts)));
    case 'union':
      return distinct(
        sequence(
          routing.routers.map((each) => mapped(walkOf(each, parts), (partition) => unified(partition, routing.field))),
        ),
        ANY_PARENT,
      );
    case 'product': {
      const walk = routing.routers
        .map((each) => walkOf(each, parts))
        .reduce((outer, inner) => nested(outer, (partition) => mapped(inner, (other) => merged(partition, other))));
      // What tells a grandchild's parents apart is the first router's alone: of the others, combinations come again.
      return mayRepeat(routing.routers, parts) ? distinct(walk) : walk;
    }
    case 'narrowed':
      return narrowed(walkOf(routing.of, parts), routing);
    case 'grouped': {
      const walk = walkOf(routing.of, parts);
      return inGroups(routing.unique ? distinct(walk, ANY_PARENT) : walk, routing.size);
    }
  }
}

/** Whether a router after the first has parents that are read by parts themselves. */
function mayRepeat([, ...others]: Router[], { routerOf }: WalkParts): boolean {
  return others.some(
    (each) => each.kind === 'parents' && each.parents.some(({ stream }) => routerOf(stream).kind !== 'none'),
  );
}

/** What the parent's records open; the parent may itself be read by parts. */
function childrenOf(parent: ParentConfig, parts: WalkParts): Walk {
  const stream = parts.streamOf(parent.stream);
  const identity = identityOf(parent.stream);
  const from = walkOf(parts.routerOf(parent.stream), parts);
  return nested(from, (partition) => async (at, signal) => {
    const slice = partition === WHOLE ? undefined : sliceText(partition);
    const number = stream.division.kind === 'numbered' ? (isObject(at) ? Number(at['n']) : 0) : undefined;
    const cursor = isObject(at) && typeof at['c'] === 'string' ? at['c'] : null;
    const page = await parts.cache.page(stream, identity, {
      gte: null,
      lt: null,
      cursor,
      ...(slice === undefined ? {} : { slice }),
      ...(number === undefined ? {} : { number }),
      signal,
      weight: () => Infinity,
    });
    const next: Json = !page.hasMore
      ? null
      : number === undefined
        ? page.next === null
          ? null
          : { c: page.next }
        : { n: number + 1 };
    return { partitions: page.records.flatMap((record) => parent.partitionsOf(record, partition)), next };
  });
}

function mapped(walk: Walk, change: (partition: Partition) => Partition): Walk {
  return async (at, signal) => {
    const { partitions, next } = await walk(at, signal);
    return { partitions: partitions.map(change), next };
  };
}

/** One after the other. */
function sequence(walks: Walk[]): Walk {
  if (walks.length === 1) return walks[0]!;
  return async (at, signal) => {
    const index = isObject(at) ? Number(at['k']) : 0;
    const walk = walks[index];
    if (!walk) return { partitions: [], next: null };
    const { partitions, next } = await walk(isObject(at) ? (at['w'] ?? null) : null, signal);
    return {
      partitions,
      next: next !== null ? { k: index, w: next } : index + 1 < walks.length ? { k: index + 1 } : null,
    };
  };
}

/**
 * For each partition of the outer walk the whole inner one. The outer page is read again for each step, from the cache
 * as a rule.
 */
function nested(outer: Walk, of: (partition: Partition) => Walk): Walk {
  return async (at, signal) => {
    const { o = null, d, i = null } = isObject(at) ? at : {};
    const page = await outer(o, signal);
    const found = d === undefined ? 0 : page.partitions.findIndex((partition) => nameIn(partition) === d);
    // It is gone: those of its page are walked again, which costs requests and loses nothing.
    const index = Math.max(0, found);
    const partition = page.partitions[index];
    const onward: Json = page.next === null ? null : { o: page.next };
    if (!partition) return { partitions: [], next: onward };
    const inner = await of(partition)(found < 0 ? null : i, signal);
    if (inner.next !== null) return { partitions: inner.partitions, next: { o, d: nameIn(partition), i: inner.next } };
    const following = page.partitions[index + 1];
    return { partitions: inner.partitions, next: following ? { o, d: nameIn(following) } : onward };
  };
}

/** Partitions of other parents are the same. */
const ANY_PARENT = { parent_slice: undefined };

/** Each partition once. Who goes on from a cursor walks up to it again, to know what came before. */
function distinct(walk: Walk, without: Partition['fields'] = {}): Walk {
  let seen = new Set<string>();
  let reached: Json = null;
  const keep = (partitions: Partition[]) =>
    partitions.filter((partition) => {
      const id = sliceText({ fields: { ...partition.fields, ...without }, extra: {} });
      if (seen.has(id)) return false;
      if (seen.size < LIMITS.unitKeys) seen.add(id);
      return true;
    });
  const step = async (at: Json, signal: AbortSignal): Promise<Step> => {
    const { partitions, next } = await walk(at, signal);
    return { partitions: keep(partitions), next };
  };
  return async (at, signal) => {
    const isSame = (other: Json) => stringifyJson(other) === stringifyJson(at);
    if (!isSame(reached)) {
      seen = new Set();
      for (let before: Json = null; !isSame(before);) {
        before = (await step(before, signal)).next;
        // Its page is no more: what was walked is known, and nothing after it is left out.
        if (before === null) break;
      }
    } else if (at === null) seen = new Set();
    const taken = await step(at, signal);
    reached = taken.next;
    return taken;
  };
}

/** Those that are kept; where there was none to choose from, the list that stands for them. */
function narrowed(walk: Walk, { keep, otherwise }: Extract<Router, { kind: 'narrowed' }>): Walk {
  return async (at, signal) => {
    const { w = null, any = false } = isObject(at) ? at : {};
    const { partitions, next } = await walk(w, signal);
    const hasAny = any === true || partitions.length > 0;
    return {
      partitions: next === null && !hasAny ? otherwise() : partitions.filter(keep),
      next: next === null ? null : { w: next, any: hasAny },
    };
  };
}

/** As many as make a group, and what else came with them. */
function inGroups(walk: Walk, size: number): Walk {
  return async (at, signal) => {
    const gathered: Partition[] = [];
    let next: Json = at;
    do {
      const step = await walk(next, signal);
      gathered.push(...step.partitions);
      ({ next } = step);
    } while (next !== null && gathered.length < size);
    return { partitions: grouped(gathered, size), next };
  };
}
