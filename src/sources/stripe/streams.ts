/** Stripe's streams: what the vendor's types say of each list, and what is written by hand beside them. */
import type { Follow } from '../contract.js';
import {
  CHANGED_WITH_PARENT,
  DEFAULT_GROUPS,
  GROUP_OF_PATH,
  KEYS,
  LOOKBACKS,
  MORE_STREAMS,
  NAMES,
  NEWEST_FIRST,
  NOT_OFFERED,
  PARENT_FIELDS,
  PARENTS,
  POSITIONS,
  QUERIES,
  READ_AGAIN,
  USUAL_LOOKBACK,
  type Group,
} from './facts.js';
import { EVENTS, LISTS } from './generated/lists.js';
import type { ListFact } from './list-fact.js';

/** The list is asked for each of another's objects. */
export interface OfParent {
  parent: string;
  /** The parameter that names the parent; undefined: its path does. */
  parameter: string | undefined;
  /** The field of the rows that names it. */
  field: string;
  /** `field=value`: parents of this kind have none. */
  unless?: string | undefined;
}

export interface StreamDefinition {
  name: string;
  group: Group;
  /** Read where nothing is chosen. */
  byDefault: boolean;
  /** Path below `/v1/`, or with its `v2/`; `{parent}` stands for the parent's id. */
  path: string;
  api: 1 | 2;
  /** What `object` says in its rows, by which an event names the stream. */
  objects: readonly string[];
  /** `range`: the list takes `created`; `chain`: it does not; else it is listed for each object of another stream. */
  shape: 'range' | 'chain' | OfParent;
  /** Rows come newest first: `verified` where nobody says so. */
  order: 'descending' | 'verified';
  /** The field that `created` filters on; undefined: rows have none. */
  position: string | undefined;
  query: Record<string, string>;
  key: string[];
  follow: Follow;
  /** Its rows change with their parent, which an event names. */
  withParent: boolean;
  list: ListFact;
}

const OBJECTS_OF_EVENTS = new Set(EVENTS.flatMap(([, objects]) => objects.split(' ')));
/** Objects whose coming an event tells: of a list that cannot be asked for what is new, nothing else does. */
const CREATED_BY_EVENTS = new Set(
  EVENTS.filter(([type]) => /\.(?:created|attached)$/.test(type)).flatMap(([, objects]) => objects.split(' ')),
);
const DELETED_BY_EVENTS = new Set(
  EVENTS.filter(([type]) => /\.(?:deleted|detached)$/.test(type)).flatMap(([, objects]) => objects.split(' ')),
);
/** What was read before there were groups. */
const ALWAYS = new Set(['payment_methods', 'subscription_items', 'tax_ids']);

export const STREAMS: readonly StreamDefinition[] = LISTS.filter(({ path }) => NOT_OFFERED[path] === undefined)
  .map((list) => define(nameOf(list.path), list))
  .concat(
    MORE_STREAMS.map(({ name, path, parameter, of, unless }) => {
      const list = LISTS.find((each) => each.path === path)!; // a test holds the table against the types
      return define(name, list, { parent: nameOf(of), parameter, field: parameter, unless });
    }),
  )
  .toSorted((a, b) => (a.name < b.name ? -1 : 1));

export function streamOfPath(path: string): StreamDefinition | undefined {
  return STREAMS.find(({ name }) => name === nameOf(path));
}

/** The name of a list's stream: the words of its path, with the parent as one. */
export function nameOf(path: string): string {
  if (NAMES[path] !== undefined) return NAMES[path];
  const [, api, rest] = /^v(\d)\/(.*)$/.exec(path)!; // every path begins so
  const words = rest!.replace(/([a-z_]+)\/\{\w+\}/g, (_, plural: string) => singular(plural)).replaceAll('/', '_');
  return api === '1' ? words : `v${api}_${words}`;
}

function singular(plural: string): string {
  return plural.replace(/ies$/, 'y').replace(/s$/, '');
}

function define(name: string, list: ListFact, of = parentOf(list)): StreamDefinition {
  const api = list.path.startsWith('v2/') ? 2 : 1;
  const group = groupOf(list.path);
  const isRange = list.created && of === undefined && (api === 1 || list.path === 'v2/core/events');
  const withParent = of !== undefined && (CHANGED_WITH_PARENT.has(list.path) || CHANGED_WITH_PARENT.has(name));
  const path = list.path.replace(/^v1\//, '').replace(/\{\w+\}/, '{parent}');
  return {
    name,
    group,
    byDefault:
      ALWAYS.has(name) || (DEFAULT_GROUPS.includes(group) && of === undefined && name !== 'all_payment_methods'),
    path,
    api,
    objects: list.objects.split(' '),
    shape: of ?? (isRange ? 'range' : 'chain'),
    order: list.sorted || NEWEST_FIRST.has(list.path) ? 'descending' : 'verified',
    position: POSITIONS[list.path] ?? (isRange || of !== undefined ? 'created' : undefined),
    query: QUERIES[list.path] ?? {},
    key: KEYS[name] ?? KEYS[list.path] ?? ['id'],
    follow: of !== undefined && withParent ? withParentOf(of) : followOf(list, isRange),
    withParent,
    list,
  };
}

function groupOf(path: string): Group {
  const prefixes = Object.keys(GROUP_OF_PATH).filter((prefix) => path.startsWith(prefix));
  return GROUP_OF_PATH[prefixes.toSorted((a, b) => b.length - a.length)[0]!]!; // every path begins with v1/ or v2/…
}

function parentOf(list: ListFact): OfParent | undefined {
  const asked = PARENTS[list.path];
  if (asked) return { parent: nameOf(asked.of), parameter: asked.parameter, field: asked.parameter };
  const [, of] = /^(.*)\/\{\w+\}\//.exec(list.path) ?? [];
  if (of === undefined) return undefined;
  return {
    parent: nameOf(of),
    parameter: undefined,
    field: PARENT_FIELDS[list.path] ?? singular(of.split('/').at(-1)!),
  };
}

/** Events tell of the parent, as a rule also when it comes; if not, its own list does. */
function withParentOf({ parent }: OfParent): Follow {
  const { objects } = LISTS.find(({ path }) => nameOf(path) === parent)!; // a test holds the table against the types
  const isNewTold = objects.split(' ').some((object) => CREATED_BY_EVENTS.has(object));
  return isNewTold ? { kind: 'events' } : { kind: 'events', parents: 'listed' };
}

/** Events, where they tell of changes and deletions both; else what is young is read again, or all of it. */
function followOf(list: ListFact, isRange: boolean): Follow {
  const objects = list.objects.split(' ');
  const lookback = LOOKBACKS[list.path];
  if (lookback !== undefined) return { kind: 'cursor', lookback };
  const isTold = objects.some((object) => OBJECTS_OF_EVENTS.has(object));
  const isLost = list.deletes && !objects.some((object) => DELETED_BY_EVENTS.has(object));
  const isNewTold = isRange || objects.some((object) => CREATED_BY_EVENTS.has(object));
  if (isTold && isNewTold && !isLost && list.retrieve !== undefined && !READ_AGAIN.has(list.path))
    return { kind: 'events' };
  if (list.path === 'v2/core/events') return { kind: 'cursor', lookback: LOOKBACKS['v1/events'] };
  return isRange && !list.deletes ? { kind: 'cursor', lookback: USUAL_LOOKBACK } : { kind: 'reread' };
}
