/** What a JSON schema asks a person for: which field it is, what it begins with, how its variants are told apart. */

export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  format?: string;
  pattern?: string;
  pattern_descriptor?: string;
  minimum?: number;
  maximum?: number;
  writeOnly?: boolean;
  airbyte_secret?: boolean;
  airbyte_hidden?: boolean;
  multiline?: boolean;
  /** No connection of the API may have it. */
  'x-file-only'?: boolean;
  /** Where a definition wants it among its neighbours. */
  order?: number;
}

export type FieldKind =
  | 'fixed'
  | 'secret'
  | 'text'
  | 'scalar'
  | 'number'
  | 'flag'
  | 'choice'
  | 'choices'
  | 'lines'
  | 'date'
  | 'group'
  | 'variants'
  | 'json';

/** A secret that is stored, as the API shows it: sent back, it stays. */
export const MASK = '********';

/** What `allOf` holds counts as if it stood there itself; a type that may also be null is that type. */
export function plain(schema: Schema): Schema {
  const { allOf = [], ...own } = schema;
  const whole = [...allOf.map(plain), own].reduce<Schema>(
    (sum, part) => ({
      ...sum,
      ...part,
      ...(sum.properties || part.properties ? { properties: { ...sum.properties, ...part.properties } } : {}),
      ...(sum.required || part.required ? { required: [...(sum.required ?? []), ...(part.required ?? [])] } : {}),
    }),
    {},
  );
  const options = (whole.oneOf ?? whole.anyOf)?.filter((option) => option.type !== 'null');
  if (options?.length === 1) {
    const { oneOf: _one, anyOf: _any, ...rest } = whole;
    return plain({ ...options[0], ...rest });
  }
  return whole;
}

const typesOf = ({ type }: Schema) =>
  (Array.isArray(type) ? type : type === undefined ? [] : [type]).filter((each) => each !== 'null');

export function kindOf(schema: Schema): FieldKind {
  if (schema.const !== undefined || schema.airbyte_hidden === true || schema['x-file-only'] === true) return 'fixed';
  if (variantsOf(schema).length > 0) return 'variants';
  if (schema.oneOf || schema.anyOf) return isScalar(schema) ? 'scalar' : 'json';
  const [type, ...more] = typesOf(schema);
  if (schema.enum && more.length === 0) return 'choice';
  if (type === 'string' || (more.length > 0 && typesOf(schema).includes('string'))) {
    if (isSecret(schema)) return 'secret';
    return schema.format === 'date' ? 'date' : 'text';
  }
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'boolean') return 'flag';
  if (type === 'array') {
    const items = plain(schema.items ?? {});
    return items.enum ? 'choices' : typesOf(items)[0] === 'string' ? 'lines' : 'json';
  }
  return schema.properties && Object.keys(schema.properties).length > 0 ? 'group' : 'json';
}

/** A text or a number, such as 50% or 0.5. */
const isScalar = (schema: Schema): boolean =>
  (schema.oneOf ?? schema.anyOf ?? []).every((option) => /^(?:string|number|integer)$/.test(typesOf(option).join()));

export const isSecret = (schema: Schema): boolean =>
  schema.writeOnly === true || schema.airbyte_secret === true || schema.format === 'password';

export interface Variant {
  title: string;
  schema: Schema;
  /** What tells it from the others. */
  fixed: Record<string, unknown>;
}

/** Objects of which one is chosen; none where the schema offers no such choice. */
export function variantsOf(schema: Schema): Variant[] {
  const options = (schema.oneOf ?? schema.anyOf ?? []).map(plain);
  if (options.length < 2 || options.some((option) => !option.properties)) return [];
  return options.map((option, i) => {
    const fixed = Object.fromEntries(
      Object.entries(option.properties!).flatMap(([name, property]) =>
        property.const !== undefined
          ? [[name, property.const]]
          : property.enum?.length === 1
            ? [[name, property.enum[0]]]
            : [],
      ),
    );
    const named = Object.values(fixed).find((value) => typeof value === 'string') as string | undefined;
    return { title: option.title ?? named ?? `Choice ${i + 1}`, schema: option, fixed };
  });
}

/** Which variant a value is; the first where it is none. */
export function variantOf(variants: Variant[], value: unknown): number {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const tells = ({ fixed }: Variant) =>
    Object.keys(fixed).length > 0 && Object.entries(fixed).every(([name, own]) => given[name] === own);
  const told = variants.findIndex(tells);
  if (told >= 0) return told;
  const names = Object.keys(given);
  return Math.max(
    0,
    variants.findIndex(({ schema }) => names.length > 0 && names.every((name) => schema.properties?.[name])),
  );
}

/** What is filled in before anybody types: what can only be one thing, and the defaults of what is required. */
export function startOf(whole: Schema): unknown {
  const schema = plain(whole);
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  const variants = variantsOf(schema);
  if (variants.length > 0) return { ...(startOf(variants[0]!.schema) as object), ...variants[0]!.fixed };
  if (!schema.properties) return schema.enum?.length === 1 ? schema.enum[0] : undefined;
  const start: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    if (!schema.required?.includes(name) && plain(property).const === undefined) continue;
    const value = startOf(property);
    if (value !== undefined) start[name] = value;
  }
  return start;
}

/** Fields in the order in which they are asked for: what is required first. */
export function fieldsOf(
  schema: Schema,
  hide: readonly string[] = [],
): [name: string, schema: Schema, required: boolean][] {
  return Object.entries(schema.properties ?? {})
    .filter(([name]) => !hide.includes(name))
    .map(([name, property]): [string, Schema, boolean] => {
      const required = schema.required?.includes(name) === true && property.default === undefined;
      return [name, plain(property), required];
    })
    .filter(([, property]) => kindOf(property) !== 'fixed')
    .toSorted(([, a, first], [, b, second]) => Number(second) - Number(first) || (a.order ?? 1e6) - (b.order ?? 1e6));
}

export function labelOf(name: string, { title }: Schema): string {
  const text = title ?? name.replaceAll(/[_-]+/g, ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What a definition says of a field, as plain text: they hold HTML, and hints that are meant for files. */
export function helpOf({ description, pattern_descriptor: form, default: value }: Schema): string | undefined {
  const text = (description ?? '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/[;,]? ?write (?:it|the password|secrets) as \$\{\w+\}/g, '')
    .replaceAll(/ *; relative to this file/g, '')
    .trim();
  const shown = typeof value === 'string' || typeof value === 'number' ? `Default: ${value}.` : '';
  return [text, form && `Form: ${form}.`, text.includes('Default') ? '' : shown].filter(Boolean).join(' ') || undefined;
}

/** An example of what to type, where there is one. */
export function exampleOf({ examples, default: value }: Schema): string | undefined {
  const [first] = examples ?? [];
  const example = first ?? value;
  return typeof example === 'string' || typeof example === 'number'
    ? String(example).replaceAll(/\$\{\w+\}/g, '…')
    : undefined;
}

/** A copy in which a field is set; undefined takes it out. */
export function withField(value: unknown, name: string, field: unknown): Record<string, unknown> {
  const { [name]: _, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  return field === undefined ? rest : { ...rest, [name]: field };
}
