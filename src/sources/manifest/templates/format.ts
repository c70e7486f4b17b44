/** Python's format specifications (`'{:>5}'.format(x)`) and its `%` operator. */
import { exponentOf, fixedText, generalText } from './digits.js';
import { bounded } from './limits.js';
import { PyDate } from './datetime.js';
import {
  failed,
  floatText,
  hasKey,
  integerOf,
  isDict,
  isFloat,
  mismatch,
  numberOf,
  reprOf,
  textOf,
  Tuple,
  typeName,
  UndefinedUse,
  valueAt,
  type Dict,
  type Value,
} from './values.js';

interface Spec {
  fill: string;
  align: string;
  sign: string;
  isAlternate: boolean;
  width: number;
  grouping: string;
  precision: number | undefined;
  kind: string;
}

const SPEC = /^(?:([^])?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;

function specOf(text: string): Spec {
  const match = SPEC.exec(text);
  if (!match) return failed('Invalid format specifier');
  const [, fill, align, sign, , alternate, zero, width, grouping, precision, kind] = match;
  const spec = {
    fill: fill ?? (zero && !align ? '0' : ' '),
    align: align ?? (zero ? '=' : ''),
    sign: sign ?? '',
    isAlternate: alternate !== undefined,
    width: Number(width ?? 0),
    grouping: grouping ?? '',
    precision: precision === undefined ? undefined : Number(precision),
    kind: kind ?? '',
  };
  bounded(Math.max(spec.width, spec.precision ?? 0));
  return spec;
}

function padded(sign: string, body: string, { fill, align, width }: Spec, usual: '<' | '>'): string {
  const missing = Math.max(0, width - [...sign, ...body].length);
  switch (align === '' ? usual : align) {
    case '<':
      return sign + body + fill.repeat(missing);
    case '=':
      return sign + fill.repeat(missing) + body;
    case '^':
      return fill.repeat(Math.floor(missing / 2)) + sign + body + fill.repeat(Math.ceil(missing / 2));
    default:
      return fill.repeat(missing) + sign + body;
  }
}

function grouped(body: string, { grouping, width, align, fill }: Spec, sign: string, every = 3): string {
  if (grouping === '') return body;
  // Matches every text.
  const [, digits, rest] = /^([\da-fA-F]*)(.*)$/.exec(body) as unknown as [string, string, string];
  const separated = (text: string) => text.replaceAll(new RegExp(`\\B(?=(?:[\\da-fA-F]{${every}})+$)`, 'g'), grouping);
  let whole = digits;
  // Zeros that fill the width are grouped too.
  if (align === '=' && fill === '0')
    while ((separated(`0${whole}`) + rest).length + sign.length <= width) whole = `0${whole}`;
  return separated(whole) + rest;
}

const signOf = (isNegative: boolean, sign: string) => (isNegative ? '-' : sign === '+' || sign === ' ' ? sign : '');
const BASES: Record<string, [number, string]> = { b: [2, '0b'], o: [8, '0o'], x: [16, '0x'], X: [16, '0X'] };

function integerSpec(value: bigint, spec: Spec): string {
  const { kind } = spec;
  if (spec.precision !== undefined) return failed('Precision not allowed in integer format specifier');
  const sign = signOf(value < 0n, spec.sign);
  const size = value < 0n ? -value : value;
  if (kind === 'c') {
    if (spec.sign !== '') return failed("Sign not allowed with integer format specifier 'c'");
    if (value < 0n || value > 0x10_ff_ffn) return failed('%c arg not in range(0x110000)');
    return padded('', String.fromCodePoint(Number(value)), spec, '<');
  }
  const base = BASES[kind];
  if (base) {
    if (spec.grouping === ',') return failed(`Cannot specify ',' with '${kind}'.`);
    const digits = kind === 'X' ? size.toString(16).toUpperCase() : size.toString(base[0]);
    const prefix = sign + (spec.isAlternate ? base[1] : '');
    return padded(prefix, grouped(digits, spec, prefix, 4), spec, '>');
  }
  if (!'dn'.includes(kind)) return failed(`Unknown format code '${kind}' for object of type 'int'`);
  return padded(sign, grouped(String(size), spec, sign), spec, '>');
}

function floatDigits(value: number, kind: string, precision: number | undefined, isAlternate: boolean): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return (Number.isNaN(value) ? 'nan' : 'inf') + (kind === '%' ? '%' : '');
  const places = precision ?? 6;
  switch (kind.toLowerCase()) {
    case 'f':
      return fixedText(size, places) + (isAlternate && places === 0 ? '.' : '');
    case 'e':
      return exponentOf(size, places);
    case '%':
      return `${fixedText(size * 100, places)}%`;
    case 'g':
    case 'n':
      return generalText(size, places, isAlternate);
    default: {
      if (precision === undefined) return floatText(size);
      // As `g`, but a float shows that it is one, and turns to an exponent one digit earlier.
      const general = generalText(size, precision);
      const { length } = fixedText(size, 0);
      if (!general.includes('e') && size >= 1 && length >= Math.max(1, precision))
        return exponentOf(size, Math.max(0, Math.max(1, precision) - 1)).replace(/\.?0+e/, 'e');
      return /[.e]/.test(general) ? general : `${general}.0`;
    }
  }
}

function floatSpec(value: number, spec: Spec): string {
  const { kind } = spec;
  if (!'eEfFgGn%'.includes(kind)) return failed(`Unknown format code '${kind}' for object of type 'float'`);
  const isNegative = value < 0 || Object.is(value, -0);
  const sign = signOf(isNegative, spec.sign);
  const digits = floatDigits(value, kind, spec.precision, spec.isAlternate);
  const cased = kind !== '' && 'EFG'.includes(kind) ? digits.toUpperCase() : digits;
  return padded(sign, grouped(cased, spec, sign), spec, '>');
}

/** Python's `format(value, spec)`. */
export function formatted(value: Value, text: string): string {
  if (value instanceof PyDate) return text === '' ? textOf(value) : value.strftime(text);
  if (text === '') return textOf(value);
  if (typeof value === 'string') {
    const spec = specOf(text);
    if (spec.kind !== '' && spec.kind !== 's')
      return failed(`Unknown format code '${spec.kind}' for object of type 'str'`);
    if (spec.sign !== '') return failed('Sign not allowed in string format specifier');
    if (spec.isAlternate) return failed('Alternate form (#) not allowed in string format specifier');
    if (spec.align === '=' && /^(?:[^]?=)/.test(text))
      return failed("'=' alignment not allowed in string format specifier");
    if (spec.grouping !== '') return failed(`Cannot specify '${spec.grouping}' with 's'.`);
    const chars = spec.precision === undefined ? value : [...value].slice(0, spec.precision).join('');
    return padded('', chars, spec.align === '=' ? { ...spec, align: '<' } : spec, '<');
  }
  const integer = integerOf(value);
  const number = numberOf(value);
  if (integer === undefined && number === undefined)
    return mismatch(`unsupported format string passed to ${typeName(value)}.__format__`);
  const spec = specOf(text);
  if (integer !== undefined && !isFloat(value) && (spec.kind === '' || !'eEfFgG%'.includes(spec.kind)))
    return integerSpec(integer, { ...spec, kind: spec.kind === '' ? 'd' : spec.kind });
  return floatSpec(number!, spec);
}

/** `str.format`: fields by place, by name, and into what they hold; attributes as templates see them. */
export function formatText(
  self: string,
  args: Value[],
  named: Dict,
  attributeOf: (object: Value, name: string) => Value,
  itemOf: (object: Value, key: Value) => Value,
): string {
  let next = 0;
  let isNumbered: boolean | undefined;
  const fieldOf = (name: string): Value => {
    // Matches every text.
    const [, first, path] = /^([^.[]*)(.*)$/s.exec(name) as unknown as [string, string, string];
    let value: Value;
    if (first === '' || /^\d+$/.test(first)) {
      const isAutomatic = first === '';
      if (isNumbered !== undefined && isNumbered === isAutomatic)
        failed('cannot switch between manual field specification and automatic field numbering');
      isNumbered = !isAutomatic;
      const at = isAutomatic ? next++ : Number(first);
      if (at >= args.length) failed('Replacement index out of range for positional args tuple');
      value = args[at];
    } else {
      if (!Object.hasOwn(named, first)) failed(`nothing was given for {${first}}`);
      value = named[first];
    }
    let rest = path;
    while (rest !== '') {
      const step = /^(?:\.([^.[]+)|\[([^\]]+)\])/.exec(rest);
      if (!step) return failed('Empty attribute in format string');
      value =
        step[1] === undefined
          ? itemOf(value, /^\d+$/.test(step[2]!) ? Number(step[2]) : step[2])
          : attributeOf(value, step[1]);
      rest = rest.slice(step[0].length);
    }
    return value;
  };
  return replacedFields(self, fieldOf, 2);
}

function replacedFields(text: string, fieldOf: (name: string) => Value, depth: number): string {
  if (depth < 0) return failed('Max string recursion exceeded');
  let out = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char !== '{' && char !== '}') {
      out += char;
      continue;
    }
    if (text[at + 1] === char) {
      out += char;
      at++;
      continue;
    }
    if (char === '}') return failed("Single '}' encountered in format string");
    let open = 1;
    let end = at + 1;
    for (; end < text.length && open > 0; end++) open += text[end] === '{' ? 1 : text[end] === '}' ? -1 : 0;
    if (open > 0) return failed("Single '{' encountered in format string");
    const [, name, conversion, spec] = /^([^!:]*)(?:!([^:]*))?(?::([^]*))?$/.exec(text.slice(at + 1, end - 1)) ?? [];
    if (name === undefined) return failed('expected a field name');
    const value = fieldOf(name);
    if (conversion !== undefined && !['s', 'r', 'a'].includes(conversion))
      return failed('Unknown conversion specifier');
    const shown = conversion === undefined ? value : conversion === 's' ? textOf(value) : reprOf(value);
    out += formatted(shown, replacedFields(spec ?? '', fieldOf, depth - 1));
    bounded(out.length);
    at = end - 1;
  }
  return out;
}

const PERCENT = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?([^])?/g;

/** `'%s' % x`. */
export function percentFormat(format: string, value: Value): string {
  const args = value instanceof Tuple ? [...value] : undefined;
  let next = 0;
  let usesNames = false;
  const take = (): Value => {
    const all = args ?? [value];
    if (next >= all.length) return mismatch('not enough arguments for format string') as Value;
    return all[next++];
  };
  const out = format.replaceAll(
    PERCENT,
    (whole, name?: string, flags = '', width?: string, precision?: string, kind?: string) => {
      if (kind === '%') return '%';
      if (kind === undefined) return failed('incomplete format');
      const hasPoint = /\./.test(whole.slice(0, -1).replace(/^%\([^)]*\)/, ''));
      let arg: Value;
      if (name !== undefined) {
        if (!isDict(value)) return mismatch('format requires a mapping');
        if (!hasKey(value, name)) return failed(`KeyError: '${name}'`);
        usesNames = true;
        arg = valueAt(value, name);
      }
      const wide = width === '*' ? numberOf(take())! : Number(width ?? 0);
      const places = precision === '*' ? numberOf(take())! : hasPoint ? Number(precision ?? 0) : undefined;
      if (name === undefined) arg = take();
      bounded(Math.max(wide, places ?? 0));
      return percentOne(kind, arg, flags, wide, places);
    },
  );
  bounded(out.length);
  if (args ? next < args.length : next === 0 && !usesNames && !isDict(value) && !Array.isArray(value))
    return mismatch('not all arguments converted during string formatting');
  return out;
}

function percentOne(kind: string, value: Value, flags: string, width: number, places: number | undefined): string {
  const isLeft = flags.includes('-');
  const spec: Spec = {
    fill: flags.includes('0') && !isLeft ? '0' : ' ',
    align: isLeft ? '<' : flags.includes('0') ? '=' : '>',
    sign: flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '',
    isAlternate: flags.includes('#'),
    width,
    grouping: '',
    precision: places,
    kind,
  };
  if (kind === 's' || kind === 'r' || kind === 'a') {
    const whole = kind === 's' ? textOf(value) : reprOf(value);
    const shown = places === undefined ? whole : [...whole].slice(0, places).join('');
    return padded('', shown, { ...spec, fill: ' ', align: isLeft ? '<' : '>' }, '>');
  }
  if (kind === 'c') {
    const char = typeof value === 'string' ? value : String.fromCodePoint(Number(integerOf(value) ?? -1n));
    if ([...char].length !== 1) return mismatch('%c requires int or char');
    return padded('', char, { ...spec, fill: ' ', align: isLeft ? '<' : '>' }, '>');
  }
  if (value === undefined && !'xXo'.includes(kind)) throw new UndefinedUse('a number of an undefined value');
  const number = numberOf(value);
  if (number === undefined) return mismatch(`%${kind} format: a real number is required, not ${typeName(value)}`);
  if ('eEfFgG'.includes(kind)) return floatSpec(number, spec);
  if (!'diuxXo'.includes(kind)) return failed(`unsupported format character '${kind}'`);
  if (isFloat(value) && 'xXo'.includes(kind)) return mismatch(`%${kind} format: an integer is required, not float`);
  if (!Number.isFinite(number)) return failed('cannot convert float to integer');
  const integer = integerOf(value) ?? BigInt(Math.trunc(number));
  const digits = integerSpec(integer < 0n ? -integer : integer, {
    ...spec,
    kind: 'diu'.includes(kind) ? 'd' : kind,
    width: 0,
    sign: '',
    isAlternate: false,
    precision: undefined,
  });
  const prefix = spec.isAlternate && BASES[kind] ? BASES[kind][1] : '';
  return padded(signOf(integer < 0n, spec.sign) + prefix, digits.padStart(places ?? 0, '0'), spec, '>');
}
