/** PostgreSQL's binary form of a decimal number: digits to the base 10,000. */
const NEGATIVE = 0x4000;
const GROUP = 4;

export interface NumericDigits {
  /** 0x4000: below zero. */
  sign: number;
  /** The power of 10,000 of the first group. */
  weight: number;
  /** Digits after the point that are shown. */
  scale: number;
  groups: number[];
}

/** Takes what `String` makes of a number, and JSON's numbers: `-12.50`, `1e+21`, `5E-7`. */
export function digitsOf(text: string): NumericDigits {
  const isNegative = text.startsWith('-');
  const [mantissa, exponent = '0'] = text.slice(isNegative ? 1 : 0).split(/[eE]/) as [string, string?];
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?];
  const shift = Number(exponent);
  const scale = Math.max(0, fraction.length - shift);
  const digits = whole + fraction + '0'.repeat(Math.max(0, shift - fraction.length));
  // Digits before the point; where there are fewer, zeros come first.
  const before = whole.length + shift;
  const left = before > 0 ? digits.slice(0, before) : '';
  const right = before > 0 ? digits.slice(before) : '0'.repeat(-before) + digits;
  const padded =
    left.padStart(Math.ceil(left.length / GROUP) * GROUP, '0') +
    right.padEnd(Math.ceil(right.length / GROUP) * GROUP, '0');
  const groups: number[] = [];
  for (let at = 0; at < padded.length; at += GROUP) groups.push(Number(padded.slice(at, at + GROUP)));
  let weight = Math.ceil(left.length / GROUP) - 1;
  while (groups[0] === 0) {
    groups.shift();
    weight--;
  }
  while (groups.at(-1) === 0) groups.pop();
  const isZero = groups.length === 0;
  return { sign: isNegative && !isZero ? NEGATIVE : 0, weight: isZero ? 0 : weight, scale, groups };
}

/** The decimal digits of the binary form. */
export function numericText(value: Buffer): string {
  const count = value.readInt16BE(0);
  const weight = value.readInt16BE(2);
  const scale = value.readInt16BE(6);
  const group = (power: number): string => {
    const index = weight - power;
    return String(index < 0 || index >= count ? 0 : value.readInt16BE(8 + 2 * index)).padStart(GROUP, '0');
  };
  let whole = '';
  for (let power = Math.max(0, weight); power >= 0; power--) whole += group(power);
  let fraction = '';
  for (let power = -1; fraction.length < scale; power--) fraction += group(power);
  const sign = value.readUInt16BE(4) === NEGATIVE ? '-' : '';
  return `${sign}${whole.replace(/^0+(?=\d)/, '')}${scale > 0 ? `.${fraction.slice(0, scale)}` : ''}`;
}
