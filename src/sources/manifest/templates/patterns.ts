/** Regular expressions of Python's `re`, as far as JavaScript has them. */
import { TemplateError } from './values.js';

const MOST_REGEXP = 2000;

/** Throws TemplateError. */
export function regexOf(pattern: string, flags = 'u'): RegExp {
  if (pattern.length > MOST_REGEXP) throw new TemplateError('a regular expression is too long');
  const translated = pattern
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replaceAll('\\Z', '$')
    .replaceAll('\\A', '^');
  const inline = /^\(\?([ims]+)\)/.exec(translated);
  const body = inline ? translated.slice(inline[0].length) : translated;
  const all = [...new Set(flags + (inline?.[1] ?? ''))].join('');
  try {
    return new RegExp(body, all);
  } catch {
    try {
      return new RegExp(body, all.replace('u', ''));
    } catch (error) {
      throw new TemplateError(`"${pattern.slice(0, 60)}" is no regular expression: ${(error as Error).message}`);
    }
  }
}
