/** How large what a template makes may grow. */
import { TemplateError } from './values.js';

/** No result of a template is longer. */
export const MOST_TEXT = 10_000_000;

/** Throws TemplateError for a text or a list of more than may be. */
export function bounded(length: number): true {
  if (length > MOST_TEXT) throw new TemplateError('a text of the template grows too long');
  return true;
}
