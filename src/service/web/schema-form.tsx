/** A form made from a JSON schema. What no field fits is asked for as JSON. */
import { useState } from 'preact/hooks';
import { Control, JsonField, Labelled } from './controls';
import { Tabs } from './tabs';
import {
  fieldsOf,
  helpOf,
  kindOf,
  labelOf,
  MASK,
  plain,
  startOf,
  variantOf,
  variantsOf,
  withField,
  type Schema,
} from './schema';

/** What the service found wrong with a field. */
export interface FieldFault {
  place: string;
  text: string;
}

interface FieldProps {
  schema: Schema;
  name: string;
  /** Its path, as the service names it. */
  at: string;
  required: boolean;
  value: unknown;
  onChange: (value: unknown) => void;
  fault: FieldFault | undefined;
}

interface FormProps {
  schema: Schema;
  value: Record<string, unknown>;
  onChange: (value: Record<string, unknown>) => void;
  at: string;
  fault: FieldFault | undefined;
  /** Fields that are asked for elsewhere. */
  hide?: readonly string[];
  /** It can be left out as a whole, and is: nothing of it has to be filled in. */
  isLeftOut?: boolean;
}

/** As fields, or as the JSON that they make. */
export function SettingsForm({ label, ...form }: FormProps & { label: string }) {
  return (
    <Tabs
      label={label}
      tabs={[
        { title: 'Form', content: <SchemaForm {...form} /> },
        {
          title: 'JSON',
          content: (
            <JsonField
              label={`${label} as JSON`}
              value={form.value}
              rows={12}
              onChange={(value) => form.onChange((value ?? {}) as Record<string, unknown>)}
              help={`A secret that reads ${MASK} stays as it is stored.`}
              fault={textOf(form)}
            />
          ),
        },
      ]}
    />
  );
}

/** So many fields need no fold. */
const FEW = 4;

/** Fields of an object: what is required, then the rest folded. */
export function SchemaForm({ schema, value, onChange, at, fault, hide, isLeftOut = false }: FormProps) {
  const fields = fieldsOf(plain(schema), hide);
  const isShown = ([name, , required]: (typeof fields)[number]) => required || value[name] !== undefined;
  // What is open stays where it is while it is filled in.
  const [shown] = useState(() => new Set(fields.filter(isShown).map(([name]) => name)));
  const draw = ([name, field, required]: (typeof fields)[number]) => (
    <SchemaField
      key={name}
      schema={field}
      name={name}
      at={`${at}.${name}`}
      required={required && !isLeftOut}
      value={value[name]}
      onChange={(own) => onChange(withField(value, name, own))}
      fault={fault}
    />
  );
  const folded = fields.filter(([name, , required]) => !required && !shown.has(name));
  // A fold that hides all there is, or next to nothing, is in the way.
  const rest = folded.length <= (folded.length === fields.length ? FEW : 1) ? [] : folded;
  return (
    <>
      {fields.filter((field) => !rest.includes(field)).map(draw)}
      {rest.length > 0 && (
        <details open={rest.some(([name]) => fault?.place.startsWith(`${at}.${name}`))}>
          <summary>More settings ({rest.length})</summary>
          {rest.map(draw)}
        </details>
      )}
    </>
  );
}

function SchemaField(props: FieldProps) {
  switch (kindOf(props.schema)) {
    case 'fixed':
      return null;
    case 'variants':
      return <VariantField {...props} />;
    case 'group':
      return (
        <fieldset>
          <legend>{labelOf(props.name, props.schema)}</legend>
          <Help text={helpOf(props.schema)} />
          <SchemaForm
            schema={props.schema}
            value={(props.value ?? {}) as Record<string, unknown>}
            onChange={(value) => props.onChange(Object.keys(value).length === 0 && !props.required ? undefined : value)}
            at={props.at}
            fault={props.fault}
            isLeftOut={!props.required && props.value === undefined}
          />
        </fieldset>
      );
    case 'flag':
      return <FlagField {...props} />;
    case 'choices':
      return <ChoicesField {...props} />;
    case 'json':
      return (
        <JsonField
          label={labelOf(props.name, props.schema)}
          value={props.value}
          onChange={props.onChange}
          rows={4}
          help={[helpOf(props.schema), 'As JSON.'].filter(Boolean).join(' ')}
          fault={textOf(props)}
        />
      );
    default:
      return <LineField {...props} />;
  }
}

const textOf = ({ fault, at }: Pick<FieldProps, 'fault' | 'at'>) =>
  fault !== undefined && (fault.place === at || at.endsWith(`.${fault.place}`) || fault.place.startsWith(`${at}.`))
    ? fault.text
    : undefined;

const Help = ({ text }: { text: string | undefined }) => (text === undefined ? null : <small>{text}</small>);

/** Everything that is one line, one number, one of a list, or a few lines. */
function LineField(props: FieldProps) {
  const { schema, name, required } = props;
  return (
    <Labelled label={labelOf(name, schema)} required={required} help={helpOf(schema)} fault={textOf(props)}>
      {(described) => <Control {...props} described={described} />}
    </Labelled>
  );
}

function FlagField({ schema, name, value, onChange }: FieldProps) {
  return (
    <div class="field">
      <label class="check">
        <input
          type="checkbox"
          checked={(value ?? schema.default) === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
        {labelOf(name, schema)}
      </label>
      <Help text={helpOf(schema)} />
    </div>
  );
}

function ChoicesField({ schema, name, value, onChange }: FieldProps) {
  const chosen = (value ?? []) as unknown[];
  const options = plain(schema.items!).enum!;
  return (
    <fieldset>
      <legend>{labelOf(name, schema)}</legend>
      <Help text={helpOf(schema)} />
      <div class="checks">
        {options.map((option) => (
          <label class="check" key={String(option)}>
            <input
              type="checkbox"
              checked={chosen.includes(option)}
              onChange={(event) => {
                const next = options.filter((each) =>
                  each === option ? event.currentTarget.checked : chosen.includes(each),
                );
                onChange(next.length === 0 ? undefined : next);
              }}
            />
            {String(option)}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** One of several objects: a tab each. What was filled in of one is kept while another is looked at. */
function VariantField({ schema, name, at, required, value, onChange, fault }: FieldProps) {
  const variants = variantsOf(schema);
  const [kept] = useState(() => new Map<number, Record<string, unknown>>());
  const chosen = variantOf(variants, value);
  return (
    <fieldset>
      <legend>{labelOf(name, schema)}</legend>
      <Help text={helpOf(schema)} />
      <Tabs
        label={labelOf(name, schema)}
        at={chosen}
        onAt={(next) => {
          kept.set(chosen, (value ?? {}) as Record<string, unknown>);
          const { schema: own, fixed } = variants[next]!;
          onChange({ ...(kept.get(next) ?? (startOf(own) as object)), ...fixed });
        }}
        tabs={variants.map((variant) => ({
          title: variant.title,
          content: (
            <SchemaForm
              schema={variant.schema}
              value={(value ?? {}) as Record<string, unknown>}
              onChange={(own) => onChange({ ...own, ...variant.fixed })}
              at={at}
              fault={fault}
              hide={Object.keys(variant.fixed)}
              isLeftOut={!required && value === undefined}
            />
          ),
        }))}
      />
    </fieldset>
  );
}
