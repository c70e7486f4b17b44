/** "1 stream", "1,234 streams": a number with its noun. `many`: where the plural is not the noun with an s. */
export function countOf(value: number, noun: string, many = `${noun}s`): string {
  return `${Math.round(value).toLocaleString('en-US')} ${value === 1 ? noun : many}`;
}
