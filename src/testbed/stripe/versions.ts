/** The lists of the simulated API: those written by hand, at both versions, and the others as the types have them. */
import type { Collection, GeneratedCollection } from './collection.js';
import { GENERATED } from './generated/collections.js';
import { COLLECTIONS } from './objects.js';

/** Where fields of the first version are found at the newest, of those that moved. */
const MOVED: Record<string, Record<string, unknown>> = {
  invoices: {
    parent: {
      quote_details: null,
      subscription_details: { metadata: null, subscription: '«other:subscriptions»' },
      type: 'subscription_details',
    },
  },
  promotion_codes: { promotion: { coupon: '«other:coupons»', type: 'coupon' } },
};

const TYPES = new Map<string, GeneratedCollection>(GENERATED.map((entry) => [pathOf(entry[0]), entry]));

/** The lists of the testbed by path, below /v1 unless it begins with the second API's. */
export function collectionsOf(): Collection[] {
  const written = COLLECTIONS.map((collection) => ({ ...collection, newest: newestOf(collection) }));
  const known = new Set(written.map(({ path }) => path));
  const others = [...TYPES.values()].filter(([path]) => !path.includes('{') && !known.has(pathOf(path)));
  return [...written, ...others.map(asCollection)];
}

/** The fields that the types give a row, by the path of its list. */
export function typesOf(path: string): Record<string, unknown> | undefined {
  return TYPES.get(path)?.[2];
}

/** Lists below objects, by the path of the objects and the last part of their own. */
export function childPath(collection: string, below: string): string | undefined {
  return [...TYPES.keys()].find((path) => path.replace(/\{\w+\}/, '{}') === `${collection}/{}/${below}`);
}

/** The object that a list wants named by a parameter. */
export function requiredOf(path: string): string[] {
  return TYPES.get(path)?.[1].required ?? [];
}

/** What the first version has that the newest has not goes; what is new comes as the types have it. */
function newestOf({ path, template }: Collection): Record<string, unknown> {
  const types = TYPES.get(path)?.[2];
  return types ? { ...types, ...only(template, types), ...MOVED[path] } : template;
}

/** The values of fields that are there. */
export function only(values: Record<string, unknown>, fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => name in fields));
}

function asCollection([path, { created, answersDeleted, paged }, template]: GeneratedCollection): Collection {
  return {
    path: pathOf(path),
    object: String(template['object'] ?? path),
    prefix: prefixOf(path),
    filter: created,
    dateField: 'created',
    share: 0,
    keepsDeleted: answersDeleted,
    isWhole: !paged,
    template,
  };
}

export function prefixOf(path: string): string {
  return path
    .replace(/^v[12]\//, '')
    .replaceAll(/[^a-z]/g, '')
    .slice(-14);
}

function pathOf(path: string): string {
  return path.replace(/^v1\//, '');
}
