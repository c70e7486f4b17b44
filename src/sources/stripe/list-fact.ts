/** What the vendor's types say of one list. Words in a text are separated by spaces. */
export interface ListFact {
  /** With the API's version: `v1/charges`, `v1/customers/{id}/sources`. */
  path: string;
  /** The type of its rows. */
  type: string;
  /** What `object` says in its rows. */
  objects: string;
  /** It takes `created`, and its rows have that date. */
  created: boolean;
  /** Its description says that the newest come first. */
  sorted: boolean;
  /** It comes in pages. */
  paged: boolean;
  /** Parameters without which it does not answer. */
  required: string;
  filters: string;
  /** The path of one of its objects. */
  retrieve: string | undefined;
  /** One that was deleted is still answered, as `{deleted: true}`. */
  answersDeleted: boolean;
  /** The API can delete one. */
  deletes: boolean;
  /** Lists inside its objects, as `field:Type`. */
  lists: string;
}
