// Writes what the types of npm's `stripe` package say of the API: its lists, their columns, the events, and the
// simulated rows of the testbed. With --check, fails where a file differs. What types cannot tell is written by hand
// in src/sources/stripe/facts.ts.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { commentOf, jsonOf, membersOf, readTypes, referenceTo, textOf } from './stripe-types.mjs';

const ROOT = path.join(import.meta.dirname, '..');
const MOST_DESCRIPTION = 150;
/** All generated schemas together: they are part of the package. */
const MOST_BYTES = 400 * 1024;
/** Numbers of the API are whole, but for these: their descriptions speak of rates, percents and aggregates. */
const FRACTION = /percent|_rate$|^rate$|aggregated_value/;
const PAGING = new Set(['starting_after', 'ending_before', 'limit', 'expand', 'page']);

const types = readTypes();
const methods = [...types.files.values()].flatMap((file) =>
  file.classes.flatMap((owner) => owner.methods.map((method) => ({ ...method, file }))),
);
const lists = methods
  .filter(({ answers, path: at }) => answers.container && at)
  .map(listOf)
  .toSorted((a, b) => (a.path < b.path ? -1 : 1));

/** What is known of one list. */
function listOf({ file, path: at, parameters, answers, about }) {
  const wants = parameters.find((type) => type.typeName && textOf(type.typeName).endsWith('Params'));
  const asked = wants ? membersOf(types, file, wants) : new Map();
  const names = [...asked.keys()].filter((name) => !PAGING.has(name));
  const fields = fieldsOf(file, answers.type);
  const below = `${bare(at)}/{}`;
  const one = methods.find(
    ({ method, path: other, answers: its }) => method === 'GET' && !its.container && other && bare(other) === below,
  );
  return {
    path: at.slice(1),
    type: answers.type.typeName ? textOf(answers.type.typeName) : '',
    about: shorten(about),
    objects: fields.find(({ name }) => name === 'object')?.values ?? [],
    created: asked.has('created') && fields.some(({ name }) => name === 'created' || name === 'date'),
    sorted: /most recent|most recently|newest|reverse chronological|sorted by creation|reverse order/i.test(about),
    paged: asked.has('starting_after') || asked.has('limit'),
    required: names.filter((name) => !asked.get(name).optional),
    filters: names.filter((name) => asked.get(name).optional && name !== 'created'),
    retrieve: one?.path.slice(1),
    answersDeleted: one !== undefined && namesOf(one.answers.type).some((name) => name.startsWith('Deleted')),
    deletes: methods.some(({ method, path: other }) => method === 'DELETE' && other && bare(other) === below),
    lists: fields.filter(({ list }) => list).map(({ name, list }) => [name, list]),
    fields,
  };
}

function bare(at) {
  return at.replace(/\{\w+\}/g, '{}');
}

function namesOf(type) {
  return (type?.types ?? [type]).flatMap((part) => (part?.typeName ? [textOf(part.typeName)] : []));
}

function fieldsOf(file, type) {
  return [...membersOf(types, file, type)]
    .map(([name, member]) => {
      const json = jsonOf(types, member);
      const text = commentOf(member.file, member.node);
      return {
        name,
        kind: kindOf(name, json, text),
        isNullable: json.isNullable || member.optional,
        values: json.kinds.has('string') && json.kinds.size === 1 ? json.values : [],
        isOpen: json.isOpen,
        list: json.list && namesOf(json.list.type).join('|'),
        text: shorten(text),
      };
    })
    .toSorted((a, b) => order(a.name) - order(b.name) || (a.name < b.name ? -1 : 1));
}

function order(name) {
  if (name === 'id') return 0;
  return name === 'object' ? 1 : 2;
}

/** One letter a kind, as src/sources/stripe/schemas.ts reads them. */
function kindOf(name, { kinds }, text) {
  const all = [...kinds].toSorted().join(' ');
  if (all === 'number') {
    if (FRACTION.test(name)) return 'n';
    return /unix epoch|unix timestamp/i.test(text) ? 't' : 'i';
  }
  if (all === 'string') return /RFC 3339|ISO 8601/i.test(text) || name === 'created' ? 'd' : 's';
  return { boolean: 'b', array: 'a', object: 'o', 'object string': 'x' }[all] ?? 'j';
}

/** The first sentence, as plain text. */
function shorten(text) {
  const plain = text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]*>/g, '')
    .replaceAll('`', "'")
    .replace(/[\\$\t|]/g, ' ')
    .trim();
  const first = /^(.*?[^.\s]\.)(?:\s|$)/.exec(
    plain.replace(/\b(?:e\.g|i\.e|etc)\./g, (word) => word.replaceAll('.', '\u0001')),
  );
  const text1 = (first?.[1] ?? plain).replaceAll('\u0001', '.');
  return text1.length <= MOST_DESCRIPTION ? text1 : `${text1.slice(0, MOST_DESCRIPTION - 1).replace(/\s+\S*$/, '')}…`;
}

/** Events of a union of types: the type, and the object that it tells of. */
function eventsOf(name, objectOf) {
  const file = types.files.get(name);
  const union = file.declared.get('Event').find((node) => node.type?.types);
  return union.type.types
    .map((part) => {
      const members = membersOf(types, file, part);
      return [jsonOf(types, members.get('type')).values[0], objectOf(file, members, textOf(part.typeName))];
    })
    .toSorted((a, b) => (a[0] < b[0] ? -1 : 1));
}

/** What `object` says in rows of a type; several words where it is one of several types. */
function objectsOf(file, type, scope) {
  const field = membersOf(types, file, type, scope).get('object');
  return field ? jsonOf(types, field).values.join(' ') : '';
}

const events = eventsOf('resources/Events.d.ts', (file, members) => {
  const data = members.get('data');
  const object = membersOf(types, file, data.node.type, data.scope).get('object');
  return object ? objectsOf(object.file, object.node.type, object.scope) : '';
});

const events2 = eventsOf('resources/V2/Core/Events.d.ts', (file, _, name) => {
  const text = file.text.slice(file.text.indexOf(`interface ${name} extends`)).slice(0, 2_000);
  const own = text.slice(0, text.indexOf('\n}'));
  const fetched = /fetchRelatedObject\(\): Promise<([\w.]+)/.exec(own)?.[1];
  return fetched ? objectsOf(file, referenceTo(fetched), '') : '';
});

const head = `// Generated by scripts/stripe-streams.mjs from the types of stripe ${types.version}; edit the script instead.\n`;
const quote = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const words = (all) => quote(all.join(' '));

function listLine(list) {
  const parts = [
    `path: ${quote(list.path)}`,
    `type: ${quote(list.type)}`,
    `objects: ${words(list.objects)}`,
    `created: ${list.created}`,
    `sorted: ${list.sorted}`,
    `paged: ${list.paged}`,
    `required: ${words(list.required)}`,
    `filters: ${words(list.filters)}`,
    `retrieve: ${list.retrieve ? quote(list.retrieve) : 'undefined'}`,
    `answersDeleted: ${list.answersDeleted}`,
    `deletes: ${list.deletes}`,
    `lists: ${words(list.lists.map(([name, type]) => `${name}:${type}`))}`,
  ];
  return `  { ${parts.join(', ')} },`;
}

function listsText() {
  return `${head}import type { ListFact } from '../list-fact.js';

/** The newest version that the schemas know. */
export const NEWEST_VERSION = '${types.apiVersion}';

export const LISTS: readonly ListFact[] = [
${lists.map(listLine).join('\n')}
];

/** Types of events, each with the objects that it may tell of. */
export const EVENTS: readonly (readonly [string, string])[] = [
${events.map(([type, objects]) => `  ['${type}', '${objects}'],`).join('\n')}
];

/** The same for events of the second API. */
export const EVENTS_V2: readonly (readonly [string, string])[] = [
${events2.map(([type, objects]) => `  ['${type}', '${objects}'],`).join('\n')}
];
`;
}

/** name TAB kind TAB values TAB text; a question mark after the kind: may be null; a tilde: other values may come. */
function fieldLine({ name, kind, isNullable, values, isOpen, text }) {
  return `${name}\t${kind}${isNullable ? '?' : ''}${values.length > 0 && isOpen ? '~' : ''}\t${values.join('|')}\t${text}`;
}

function schemasText() {
  const same = new Map();
  const entries = lists.map((list) => {
    const body = list.fields.map(fieldLine).join('\n');
    const first = same.get(body);
    same.set(body, first ?? list.path);
    return first ? `  '${list.path}': '=${first}',` : `  '${list.path}': \`${body}\`,`;
  });
  return `${head}
/** Fields by list: one a line (name, kind, values, text); "=PATH": those of another list. */
export const SCHEMAS: Readonly<Record<string, string>> = {
${entries.join('\n')}
};

/** What each list holds, as the vendor puts it. */
export const ABOUT: Readonly<Record<string, string>> = {
${lists.map(({ path: at, about }) => `  '${at}': ${quote(about)},`).join('\n')}
};
`;
}

/** What a simulated row holds where nothing better is known; the testbed's own templates go before. */
function sampleOf({ name, kind, values, isNullable }) {
  if (name === 'id') return '«id»';
  if (name === 'created') return kind === 'd' ? '«iso»' : '«#created»';
  if (name === 'livemode') return false;
  if (name === 'metadata') return { row: '«i»', revision: '«rev»' };
  if (values.length > 0) return values[0];
  if (isNullable) return null;
  if (name.startsWith('amount') && kind === 'i') return '«#amount»';
  return {
    s: `${name} «i»`,
    d: '«iso»',
    i: 0,
    t: '«#created»',
    n: 0.5,
    b: false,
    a: [],
    o: {},
    x: `${name}_«i»`,
    j: null,
  }[kind];
}

function collectionsText() {
  const lines = lists.map((list) => {
    const template = Object.fromEntries(
      list.fields.map((field) => [
        field.name,
        field.list && !field.isNullable
          ? { object: 'list', data: [], has_more: false, url: `/${list.path}/«id»/${field.name}` }
          : sampleOf(field),
      ]),
    );
    const facts = {
      created: list.created,
      required: list.required,
      answersDeleted: list.answersDeleted,
      paged: list.paged,
    };
    return `  ['${list.path}', ${JSON.stringify(facts)}, ${JSON.stringify(template)}],`;
  });
  return `${head}import type { GeneratedCollection } from '../collection.js';

/** Simulated rows of the newest version, by list: what it takes, and a template. */
export const GENERATED: readonly GeneratedCollection[] = [
${lines.join('\n')}
];
`;
}

const outputs = {
  'src/sources/stripe/generated/lists.ts': listsText(),
  'src/sources/stripe/generated/schemas.ts': schemasText(),
  'src/testbed/stripe/generated/collections.ts': collectionsText(),
};
const bytes = Object.entries(outputs).reduce(
  (sum, [name, text]) => sum + (name.startsWith('src/sources') ? text.length : 0),
  0,
);
if (bytes > MOST_BYTES)
  throw new Error(`generated schemas have ${bytes} bytes, more than ${MOST_BYTES}: shorten the texts`);
let stale = 0;
for (const [name, text] of Object.entries(outputs)) {
  const file = path.join(ROOT, name);
  if (!process.argv.includes('--check')) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.log(`${name} is out of date: run node scripts/stripe-streams.mjs`);
    stale++;
  }
}
console.log(
  stale === 0
    ? `${lists.length} lists, ${events.length} and ${events2.length} events of stripe ${types.version}, version ${types.apiVersion}; ${Math.ceil(bytes / 1024)} KB of schemas`
    : `${stale} files differ`,
);
process.exitCode = stale === 0 ? 0 : 1;
