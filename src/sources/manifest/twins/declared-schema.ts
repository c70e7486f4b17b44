/** What `components.headrace.yaml` may say. */
import { z } from 'zod';

const LONGEST_TEXT = 10_000;
const MOST_CLASSES = 500;
const MOST_STEPS = 100;

const DURATION = /^P(?=.)(\d+[YMWD])*(T(?=\d)(\d+[HMS])+)?$/;

const text = z.string().max(LONGEST_TEXT);
const path = z.array(text).max(50);
const name = text.min(1);
/** A text or template, or the value of a field of the component: `{from: client_id}`. */
const from = z.strictObject({ from: name, otherwise: z.unknown().optional() });
const value = z.union([text, z.number(), z.boolean(), from]);
const values = z.record(name, value);

const replacement = z.strictObject({
  is: name.describe('The standard component that it is.'),
  with: z.record(name, z.unknown()).optional().describe('Fields that are set, over those that it has.'),
  defaults: z.record(name, z.unknown()).optional().describe('Fields that are set where it has none.'),
  without: z.array(name).max(50).optional().describe('Fields that are left out.'),
  prepare: z
    .array(z.looseObject({}))
    .min(1)
    .max(MOST_STEPS)
    .optional()
    .describe('Of a retriever: steps that its records take first.'),
  raw_query: z.literal(true).optional().describe('Of a requester: its parameters go into the address as they are.'),
});

const login = z.strictObject({
  login: z.strictObject({
    url: value,
    method: z.enum(['GET', 'POST']).default('POST'),
    basic: z.strictObject({ username: value, password: value }).optional(),
    headers: values.optional(),
    parameters: values.optional(),
    form: values.optional(),
    json: z.record(name, z.unknown()).optional(),
    token: z.array(text).min(1).max(50),
    expires_in: z.array(text).min(1).max(50).optional(),
    lasts: text.refine((given) => given.includes('{{') || DURATION.test(given), 'a duration such as PT1H').optional(),
    send: z
      .strictObject({
        header: name.optional(),
        parameter: name.optional(),
        value: text.default('{{ session_token }}'),
      })
      .refine(
        ({ header, parameter }) => (header === undefined) !== (parameter === undefined),
        'a header or a parameter',
      )
      .default({ header: 'Authorization', value: 'Bearer {{ session_token }}' }),
  }),
});

const dateFields = z.strictObject({
  fields: z.union([z.literal('all'), z.array(name).max(200)]),
  form: text.min(1).describe('dotnet, epoch, epoch_ms, or a format such as %d.%m.%Y.'),
});

const records = z.strictObject({
  records: z.strictObject({
    paths: z
      .array(path)
      .min(1)
      .max(20)
      .optional()
      .describe('The first that leads somewhere holds. Default: its field_path.'),
    all: z.literal(true).optional().describe('All paths that lead somewhere hold, one after the other.'),
    entries: z.literal(true).optional().describe('Each value of a mapping is a record.'),
    key: z.union([name, from]).optional().describe('Field for the name that a value has in its mapping.'),
    as: name.optional().describe('Field for a record that is a plain value, or for each as a whole.'),
    unwrap: value.optional().describe('The record lies in this field.'),
    if_null: z.enum(['parent', 'skip']).default('skip').describe('What comes where that field is null.'),
    inside: z
      .array(
        z.strictObject({
          field: name,
          add: z.record(name, text).optional(),
          whole: z.literal(true).optional().describe('All other fields of the parent are added.'),
        }),
      )
      .max(10)
      .optional()
      .describe('Records lie in lists of records, one level after the other; `add` sees `parent`.'),
    dates: dateFields.optional().describe('Dates in a form of their own, as RFC 3339.'),
    included: name.optional().describe('Of JSON:API: the list of what is related, which is filled in.'),
    relations: name.optional().describe('Of JSON:API: the ids of what is related come as fields, by their names.'),
    add: z
      .record(name, text)
      .optional()
      .describe('Fields that are added: templates with record, response, key, stream_slice.'),
  }),
});

const collect = z.strictObject({
  collect: z
    .strictObject({
      field: name.optional().describe('The mapping whose entries become a list.'),
      prefix: name.optional().describe('Or: fields of the record that begin so.'),
      into: name,
      as: z.tuple([name, name]).default(['name', 'value']),
    })
    .refine(({ field, prefix }) => (field === undefined) !== (prefix === undefined), 'a field or a prefix'),
});
const move = z.strictObject({ move: z.strictObject({ from: path.min(1), to: path.min(1), if: text.optional() }) });
const dates = z.strictObject({ dates: dateFields });
const drop = z.strictObject({ drop: z.enum(['null', 'empty', 'bad_dates']) });
const ask = z.strictObject({
  ask: z.strictObject({
    requester: z.union([from, z.looseObject({})]).describe('An HttpRequester, whose templates see the record.'),
    if: text.optional().describe('Whether a record asks: a template.'),
    slice: z.record(name, text).optional().describe('What the requester sees as stream_slice, by names.'),
    add: z.record(name, text).optional().describe('Fields that are added: templates with record and response.'),
    merge: path.optional().describe('Where in the answer the fields lie that are added.'),
  }),
});
const standard = z.looseObject({ type: name });

const step = z.union([collect, move, dates, drop, ask, standard]);

const steps = z.strictObject({
  steps: z.array(step).min(1).max(MOST_STEPS),
});
const keep = z.strictObject({ keep: text.min(1) });

const parents = z.strictObject({
  parents: z.strictObject({
    from: z
      .array(
        z.strictObject({
          of: name.optional().describe('Name of the parent stream. Default: all that the class has.'),
          each: path.min(1).optional().describe('A list in its record, of which each item opens a part.'),
          value: text.optional().describe('The value of the part: a template with item and record.'),
        }),
      )
      .min(1)
      .max(20),
    keep: text.optional().describe('Which parts are read: a template with stream_partition.'),
    otherwise: text.optional().describe('Values that are read where the parents have none at all: a template.'),
  }),
});

const plain = [replacement, login, records, steps, keep, parents] as const;
/** A component that stands in a field of the class's own. */
const inner = z.strictObject({ component: name });
const choose = z.strictObject({
  choose: z
    .array(z.strictObject({ when: text.optional(), use: z.union([replacement, login, parents, inner]) }))
    .min(1)
    .max(20),
});

/** Schemas by the word that tells them apart, so that a fault is told of the one that was meant. */
export const STEPS = { collect, move, dates, drop, ask, type: standard } as const;
export const USES = { is: replacement, login, parents, component: inner } as const;
export const KINDS = { is: replacement, login, records, steps, keep, parents, choose } as const;

export const fileSchema = z.strictObject({
  version: z.literal(1),
  classes: z
    .record(name, z.unknown())
    .refine((classes) => Object.keys(classes).length <= MOST_CLASSES, `at most ${MOST_CLASSES} classes`),
});

export type Replacement = z.infer<typeof replacement>;
export type Login = z.input<typeof login>['login'];
export type Records = z.input<typeof records>['records'];
export type Parents = z.input<typeof parents>['parents'];
export type Step = z.input<typeof steps>['steps'][number];
export type Choose = z.input<typeof choose>['choose'];
export type DeclaredClass = z.input<(typeof plain)[number]> | z.input<typeof choose>;
