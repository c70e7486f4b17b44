/** What the rows of a stream look like, before and after. */
import { isObject, type JsonObject } from '../document/read.js';
import {
  allowsNull,
  brief,
  changed,
  isWider,
  objectsOf,
  propertiesOf,
  same,
  stable,
  typesOf,
  typeText,
  type Change,
} from './diff-changes.js';

/** `path`: the field that the schemas are of; empty for a whole record. */
export function fieldChanges(stream: string, old: JsonObject, next: JsonObject, path = ''): Change[] {
  const changes: Change[] = [];
  const [before, after] = [allProperties(old), allProperties(next)];
  const named = (field: string) => (path === '' ? field : `${path}.${field}`);
  for (const [field, property] of Object.entries(before)) {
    const fresh = after[field];
    if (fresh) changes.push(...changesOf(stream, property, fresh, named(field)));
    else changes.push(changed(stream, 'field-gone', `field ${named(field)} is gone`));
  }
  for (const field of Object.keys(after))
    if (!before[field]) changes.push(changed(stream, 'field-new', `field ${named(field)} is new`));
  return changes;
}

function changesOf(stream: string, old: JsonObject, next: JsonObject, field: string): Change[] {
  const changes: Change[] = [];
  const [was, is] = [typesOf(old), typesOf(next)];
  if (stable(was) !== stable(is)) {
    const what = `field ${field} was ${typeText(was)}, is ${typeText(is)}`;
    // A column takes a wider type only where the one holds the other: numbers and integers.
    const wider =
      isWider(was, is) && is.length > 0 && is.filter((type) => type !== 'integer').length <= 1 && was.length <= 1;
    changes.push(changed(stream, wider ? 'field-type-wider' : 'field-type', what, true));
  }
  const nulls = [allowsNull(old), allowsNull(next)];
  if (nulls[0] && !nulls[1]) changes.push(changed(stream, 'field-null', `field ${field} may not be null any more`));
  if (!nulls[0] && nulls[1]) changes.push(changed(stream, 'field-null-new', `field ${field} may be null`));
  for (const word of ['format', 'airbyte_type', 'contentEncoding'] as const)
    if (!same(old[word], next[word]))
      changes.push(
        changed(
          stream,
          'field-format',
          `field ${field}: ${word} was ${brief(old[word])}, is ${brief(next[word])}`,
          true,
        ),
      );
  changes.push(...fieldChanges(stream, old, next, field));
  const [items, fresh] = [old['items'], next['items']];
  if (isObject(items) && isObject(fresh)) changes.push(...changesOf(stream, items, fresh, `${field}[]`));
  return changes;
}

/** Its own, and those of its choices. */
function allProperties(schema: JsonObject): Record<string, JsonObject> {
  const choices = [...objectsOf(schema['anyOf']), ...objectsOf(schema['oneOf']), ...objectsOf(schema['allOf'])];
  return Object.assign({}, ...choices.map(allProperties), propertiesOf(schema)) as Record<string, JsonObject>;
}
