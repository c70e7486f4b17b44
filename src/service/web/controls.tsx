/**
 * Single controls of a form: a line, a number, a choice, JSON; each with its label, its help and what is wrong with it.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useUniqueId } from './unique-id';
import { exampleOf, kindOf, MASK, type Schema } from './schema';

/** What ties a control to its label, its help and its fault. */
export interface Described {
  id: string;
  'aria-describedby'?: string;
  'aria-invalid'?: true;
}

/** A label, what is filled in, its help, and what is wrong with it. */
export function Labelled({
  label,
  required = false,
  help,
  fault,
  children,
}: {
  label: string;
  required?: boolean | undefined;
  help?: string | undefined;
  fault?: string | undefined;
  children: (described: Described) => ComponentChildren;
}) {
  const id = useUniqueId();
  const notes = [help !== undefined && `${id}-help`, fault !== undefined && `${id}-fault`].filter(Boolean).join(' ');
  return (
    <div class="field">
      <label for={id}>
        {label}
        {required && <span aria-hidden="true"> *</span>}
      </label>
      {children({
        id,
        ...(notes === '' ? {} : { 'aria-describedby': notes }),
        ...(fault === undefined ? {} : { 'aria-invalid': true as const }),
      })}
      {help !== undefined && <small id={`${id}-help`}>{help}</small>}
      {fault !== undefined && (
        <small id={`${id}-fault`} class="failure">
          {fault}
        </small>
      )}
    </div>
  );
}

interface ControlProps {
  schema: Schema;
  required: boolean;
  value: unknown;
  onChange: (value: unknown) => void;
  described: Described;
}

const NUMBER = /^\d+(?:\.\d+)?$/;

export function Control({ schema, required, value, onChange, described }: ControlProps) {
  const shared = { ...described, required, spellcheck: false };
  const kind = kindOf(schema);
  const text = (given: string) =>
    onChange(given === '' ? undefined : kind === 'scalar' && NUMBER.test(given) ? Number(given) : given);
  if (kind === 'choice') return <ChoiceControl {...{ schema, required, value, onChange, described }} />;
  if (kind === 'secret')
    return (
      <input
        {...shared}
        required={required && value !== MASK}
        type="password"
        autocomplete="new-password"
        placeholder={value === MASK ? 'stored; type to replace it' : exampleOf(schema)}
        value={value === MASK ? '' : String(value ?? '')}
        onInput={(event) => text(event.currentTarget.value)}
      />
    );
  if (kind === 'number')
    return (
      <input
        {...shared}
        class="number"
        type="number"
        step={schema.type === 'integer' ? 1 : 'any'}
        min={boundOf(schema.minimum)}
        max={boundOf(schema.maximum)}
        placeholder={exampleOf(schema)}
        value={value === undefined ? '' : String(value)}
        onInput={({ currentTarget: { value: given } }) => onChange(given === '' ? undefined : Number(given))}
      />
    );
  if (kind === 'lines')
    return (
      <textarea
        {...shared}
        rows={3}
        placeholder="one a line"
        value={((value ?? []) as string[]).join('\n')}
        onInput={({ currentTarget: { value: given } }) => onChange(given === '' ? undefined : given.split('\n'))}
      />
    );
  const own = { ...shared, value: String(value ?? '') };
  if (schema.multiline) return <textarea {...own} rows={4} onInput={(event) => text(event.currentTarget.value)} />;
  if (kind === 'date') return <input {...own} type="date" onInput={(event) => text(event.currentTarget.value)} />;
  return (
    <input {...own} type="text" placeholder={exampleOf(schema)} onInput={(event) => text(event.currentTarget.value)} />
  );
}

function ChoiceControl({ schema, required, value, onChange, described }: ControlProps) {
  const options = schema.enum!;
  return (
    <select
      {...described}
      required={required}
      value={value === undefined ? '' : String(value)}
      onChange={({ currentTarget: { value: given } }) => onChange(options.find((each) => String(each) === given))}
    >
      {(!required || value === undefined) && <option value="">{required ? 'choose…' : '(default)'}</option>}
      {options.map((each) => (
        <option key={String(each)} value={String(each)}>
          {String(each)}
        </option>
      ))}
    </select>
  );
}

/** Bounds that are a machine's, not the setting's. */
const boundOf = (value: number | undefined) =>
  value === undefined || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value;

/** What is typed is kept while it is no JSON yet. */
export function JsonField({
  label,
  value,
  onChange,
  rows,
  help,
  fault,
}: {
  label: string;
  value: unknown;
  onChange: (value: unknown) => void;
  rows: number;
  help?: string | undefined;
  fault?: string | undefined;
}) {
  const [text, setText] = useState(pretty(value));
  const [wrong, setWrong] = useState<string>();
  useEffect(() => {
    if (wrong === undefined && !isSame(text, value)) setText(pretty(value));
  }, [value]);
  return (
    <Labelled label={label} help={help} fault={wrong ?? fault}>
      {(described) => (
        <textarea
          {...described}
          rows={rows}
          spellcheck={false}
          value={text}
          onInput={(event) => {
            const typed = event.currentTarget.value;
            setText(typed);
            try {
              onChange(typed.trim() === '' ? undefined : JSON.parse(typed));
              setWrong(undefined);
              event.currentTarget.setCustomValidity('');
            } catch (error) {
              setWrong(`This is no JSON: ${error instanceof Error ? error.message : ''}`);
              event.currentTarget.setCustomValidity('This is no JSON.');
            }
          }}
        />
      )}
    </Labelled>
  );
}

const pretty = (value: unknown) => (value === undefined ? '' : JSON.stringify(value, null, 2));

function isSame(text: string, value: unknown): boolean {
  try {
    return JSON.stringify(text.trim() === '' ? undefined : JSON.parse(text)) === JSON.stringify(value);
  } catch {
    return false;
  }
}
