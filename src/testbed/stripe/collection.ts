/** What a list of Stripe's API holds, and how one is declared. */

/** A list of the API, and the template of its rows. */
export interface Collection {
  /** Path below /v1. */
  path: string;
  object: string;
  prefix: string;
  /** Whether the list takes `created`. */
  filter: boolean;
  /** The field that `created` filters on. */
  dateField: 'created' | 'date';
  /** Rows for each customer of the account, where nothing is asked for. */
  share: number;
  /** Deleted objects are still answered, as `{deleted: true}`. */
  keepsDeleted?: boolean;
  /** All rows come at once, and no limit is taken. */
  isWhole?: boolean;
  /** Rows at the first version that the testbed speaks. */
  template: Record<string, unknown>;
  /** The same at the newest, whose shape differs. */
  newest?: Record<string, unknown>;
}

/** A list as the vendor's types have it at the newest version: its path, what it takes, and a template of its rows. */
export type GeneratedCollection = readonly [
  path: string,
  facts: { created: boolean; required: string[]; answersDeleted: boolean; paged: boolean },
  template: Record<string, unknown>,
];

/** The version whose rows the hand-written templates are, and the one that is answered where none is asked for. */
export const FIRST_VERSION = '2024-06-20';

/** What nearly every object has. */
export const common = { livemode: false, metadata: { row: '«i»', revision: '«rev»' } };

/** An object with its id. */
export const base = (object: string, more: Record<string, unknown>) => ({ id: '«id»', object, ...more });

/** A collection that is filtered by `created`, unless said otherwise. */
export function define(
  path: string,
  object: string,
  prefix: string,
  share: number,
  template: Record<string, unknown>,
  options: Partial<Pick<Collection, 'filter' | 'dateField' | 'keepsDeleted'>> = {},
): Collection {
  return {
    path,
    object,
    prefix,
    share,
    filter: true,
    dateField: 'created',
    ...options,
    template: 'object' in template ? template : base(object, template),
  };
}
