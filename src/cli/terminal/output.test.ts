import { describe, expect, test } from 'vitest';
import { printable, table } from './output.js';

describe('what a terminal is given', () => {
  test('colours, tabs and line ends pass; nothing that moves, clears or renames does', () => {
    expect(printable('\u001b[1mbold\u001b[22m\ta\nb\r\nc')).toBe('\u001b[1mbold\u001b[22m\ta\nb\nc');
    for (const steering of [
      '\u001b[2J',
      '\u001b[3A',
      '\u001b]0;title\u0007',
      '\rover',
      '\u0008',
      '\u009b2J',
      '\u007f',
      '\u001bc',
    ])
      expect(printable(`x${steering}y`)).not.toMatch(/\p{Cc}/u);
    expect(printable('Grüße, 世界 💧')).toBe('Grüße, 世界 💧');
  });

  test('a name with a line end stays in its row', () => {
    expect(table(['name'], [['a\nb']]).split('\n')).toHaveLength(2);
  });
});
