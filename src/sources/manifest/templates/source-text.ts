/** A template's text as the parser takes it. */

/**
 * What Jinja accepts and the parser does not: escapes in strings that Python keeps (`\\d`) or decodes (`\\x41`), and
 * `1_000`.
 */
export function normalised(text: string): string {
  return text.replaceAll(/\{[{%][^]*?[%}]\}/g, (tag) =>
    tag.replaceAll(/'(?:\\[^]|[^'\\])*'|"(?:\\[^]|[^"\\])*"|\b\d+(?:_\d+)+\b/g, (token) =>
      /^\d/.test(token) ? token.replaceAll('_', '') : token.includes('\\') ? knownEscapes(token) : token,
    ),
  );
}

function knownEscapes(token: string): string {
  return token.replaceAll(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([^]))/g,
    (whole, hex: string | undefined, unicode: string | undefined, char: string | undefined) => {
      const code = hex ?? unicode;
      if (code === undefined) return `ntrbfv'"\\`.includes(char!) ? whole : `\\\\${char}`;
      const decoded = String.fromCharCode(Number.parseInt(code, 16));
      return `'"\\`.includes(decoded) ? `\\${decoded}` : decoded;
    },
  );
}
