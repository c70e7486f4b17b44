/** 1234567 -> 1,234,567. Written by hand: a formatter of the platform takes longer to load than most commands to run. */
export function count(value: number): string {
  const text = String(Math.round(value));
  return /^-?\d+$/.test(text) ? text.replaceAll(/\B(?=(?:\d{3})+$)/g, ',') : text;
}

/** "1 stream", "1,234 streams": a number with its noun. `many`: where the plural is not the noun with an s. */
export function countOf(value: number, noun: string, many = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : many}`;
}
