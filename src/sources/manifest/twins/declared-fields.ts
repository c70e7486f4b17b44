/** Values of a described class that its component gives: `{from: NAME}`, and the names of a schema's fields. */
import { ConfigError } from '../../../base/errors.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';

/** `{from: NAME}` is the component's own field; `{schema_fields: SEPARATOR}` the names of the fields of its stream. */
export function filledIn(value: Json, component: JsonObject, schema?: () => JsonObject): Json {
  if (Array.isArray(value)) return value.map((inner) => filledIn(inner, component, schema));
  if (!isObject(value)) return value;
  if (typeof value['from'] === 'string' && Object.keys(value).every((key) => key === 'from' || key === 'otherwise'))
    return fieldOf(value['from'], value['otherwise'], component);
  if (typeof value['schema_fields'] === 'string' && Object.keys(value).length === 1)
    return fieldNames(schema?.() ?? {}).join(value['schema_fields']);
  const made: JsonObject = Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, filledIn(inner, component, schema)]),
  );
  // Templates in it name the component's parameters.
  if (typeof made['type'] === 'string' && component['$parameters'] !== undefined)
    made['$parameters'] ??= component['$parameters'];
  return made;
}

export function fieldOf(name: string, otherwise: Json | undefined, component: JsonObject): Json {
  const found = component[name] ?? otherwise;
  if (found !== undefined && found !== null) return found;
  throw new ConfigError('a described class needs a field that its component lacks', {
    code: 'components_field',
    place: String(component['class_name']),
    expected: name,
    found: Object.keys(component)
      .filter((key) => !['type', 'class_name', '$parameters'].includes(key))
      .join(', '),
    next: `add otherwise beside from: ${name}, or correct the name`,
  });
}

/** Fields of a schema; of an object those in it, with dots. */
function fieldNames(schema: JsonObject, prefix = ''): string[] {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  return Object.entries(properties).flatMap(([name, property]) => {
    const inner = isObject(property) && isObject(property['items']) ? property['items'] : property;
    const nested = isObject(inner) ? fieldNames(inner, `${prefix}${name}.`) : [];
    return nested.length > 0 ? nested : [`${prefix}${name}`];
  });
}
