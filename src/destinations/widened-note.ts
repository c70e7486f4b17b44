/** What is said of columns that had to be widened. */

/** Characters of a value that are shown. */
const SHOWN = 40;

/** Of a column of moments that becomes text for a value that is none. */
export function widenedNote(stream: string, { field, type }: { field: string; type: string }, value: string): string {
  const shown = value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value;
  return `${stream}: column ${field} is text now: ${JSON.stringify(shown)} is no ${type === 'date' ? 'date' : 'date with a time and a zone'}`;
}
