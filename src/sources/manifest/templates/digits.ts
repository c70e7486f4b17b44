/** Digits of numbers as C and Python write them: exact, and rounded half to even. */

/** A double as an exact fraction, both parts positive. */
function fractionOf(value: number): [bigint, bigint] {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, Math.abs(value));
  const all = bits.getBigUint64(0);
  const exponent = Number((all >> 52n) & 0x7ffn);
  const mantissa = all & ((1n << 52n) - 1n);
  const whole = exponent === 0 ? mantissa : mantissa | (1n << 52n);
  const power = (exponent === 0 ? 1 : exponent) - 1075;
  return power >= 0 ? [whole << BigInt(power), 1n] : [whole, 1n << BigInt(-power)];
}

function divided(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  return twice > denominator || (twice === denominator && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

/** Without its sign, with so many digits after the point. */
export function fixedText(value: number, places: number): string {
  const [numerator, denominator] = fractionOf(value);
  const digits = String(divided(numerator * 10n ** BigInt(places), denominator)).padStart(places + 1, '0');
  return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** Without its sign: the digits of `d.ddd` with so many places, and the exponent of ten. */
export function scientific(value: number, places: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: '0'.repeat(places + 1), exponent: 0 };
  const [numerator, denominator] = fractionOf(value);
  let exponent = Math.floor(Math.log10(Math.abs(value)));
  for (;;) {
    const shift = places - exponent;
    const digits = String(
      shift >= 0
        ? divided(numerator * 10n ** BigInt(shift), denominator)
        : divided(numerator, denominator * 10n ** BigInt(-shift)),
    );
    if (digits.length === places + 1) return { digits, exponent };
    exponent += digits.length > places + 1 ? 1 : -1;
  }
}

/** Python's `round(value, places)` of a float. */
export function roundedTo(value: number, places: number): number {
  if (!Number.isFinite(value) || places > 323) return value;
  if (places >= 0) return Number(`${value < 0 || Object.is(value, -0) ? '-' : ''}${fixedText(value, places)}`);
  const [numerator, denominator] = fractionOf(value);
  const unit = 10n ** BigInt(Math.min(-places, 400));
  const whole = Number(divided(numerator, denominator * unit) * unit);
  return value < 0 ? -whole : whole;
}

/** Python's `round(value, places)` of an integer. */
export function roundedInteger(value: bigint, places: number): bigint {
  if (places >= 0) return value;
  const unit = 10n ** BigInt(Math.min(-places, 5000));
  const whole = divided(value < 0n ? -value : value, unit) * unit;
  return value < 0n ? -whole : whole;
}

const exponentText = (exponent: number) => `e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;

/** `%e`, without the sign. */
export function exponentOf(value: number, places: number): string {
  const { digits, exponent } = scientific(value, places);
  return `${digits[0]}${places > 0 ? `.${digits.slice(1)}` : ''}${exponentText(exponent)}`;
}

/** `%g`, without the sign; `keepZeros` is the alternate form. */
export function generalText(value: number, precision: number, keepZeros = false): string {
  const places = Math.max(1, precision) - 1;
  const { digits, exponent } = scientific(value, places);
  const strip = (text: string) => (keepZeros || !text.includes('.') ? text : text.replace(/\.?0+$/, ''));
  if (exponent < -4 || exponent > places)
    return strip(`${digits[0]}${places > 0 ? `.${digits.slice(1)}` : ''}`) + exponentText(exponent);
  return strip(fixedText(value, places - exponent));
}
