/** Python's `urllib.parse.quote` and `quote_plus`. */

/** Half of a character that has two is no text that can be sent: it becomes U+FFFD. */
const encoded = (value: string) =>
  encodeURIComponent(value.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );

export const quote = (value: string): string => encoded(value).replaceAll('%2F', '/');

export const quotePlus = (value: string): string => encoded(value).replaceAll('%20', '+');
