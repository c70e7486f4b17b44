/** Durations as people read them: 8.2 s, 45 s, 12 min, 1 h 5 min, 3 d. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  const both = (large: string, rest: number, small: string) => (rest === 0 ? large : `${large} ${rest} ${small}`);
  return hours < 48 ? both(`${hours} h`, minutes % 60, 'min') : both(`${Math.floor(hours / 24)} d`, hours % 24, 'h');
}
