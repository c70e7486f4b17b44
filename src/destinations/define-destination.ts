/** How the author of a destination writes one: its settings, where it writes, and what opens it. */
import { z } from 'zod';
import { ConfigError } from '../base/errors.js';
import { SECRET_NAME } from '../base/log.js';
import {
  mode,
  type DestinationKind,
  type DestinationSettings,
  type OpenedDestination,
  type OpenPlace,
} from './kind.js';

/** Settings as the own schemas of a destination and those of every destination give them. */
export type DestinationSettingsOf<Shape extends z.ZodRawShape> = z.infer<z.ZodObject<Shape>> & DestinationSettings;

/** What the author of a destination says of it. */
export interface DestinationDefinition<Shape extends z.ZodRawShape> {
  /** a-z, 0-9, - and _, beginning with a letter. `--to NAME:TEXT` leads to an installed package of this name. */
  name: string;
  /** As people call it. Default: the name. */
  title?: string;
  /** What it is, as a sentence. */
  about?: string;
  /** Fields of `destination:` that are its own, as zod schemas with descriptions. */
  settings?: Shape;
  /** Settings that hold secrets. Default: those with a name such as password, token, url. */
  secrets?: (keyof Shape & string)[];
  /** Settings that name folders or files to write to; empty where there are none. */
  paths: (keyof Shape & string)[];
  /** Environment variables that `headrace init` refers to: `{ password: 'ACME_PASSWORD' }`. */
  environment?: Partial<Record<keyof Shape & string, string>>;
  /** The settings that `TEXT` of `--to NAME:TEXT` stands for. Default: `--to` does not name it. */
  fromText?(text: string): Record<string, unknown> | undefined;
  open(settings: DestinationSettingsOf<Shape>, place: OpenPlace): OpenedDestination | Promise<OpenedDestination>;
}

/** Makes a destination of a definition; a module exports it as `default`. */
export function defineDestination<Shape extends z.ZodRawShape = Record<never, never>>(
  definition: DestinationDefinition<Shape>,
): DestinationKind {
  const { name, title = name, about = '', paths, environment = {} } = definition;
  if (!/^[a-z][a-z0-9_-]{0,39}$/.test(name))
    throw new ConfigError('the destination has no usable name', {
      code: 'bad_destination',
      place: 'name',
      expected: 'a-z, 0-9, - and _, at most 40 characters, beginning with a letter',
      found: String(name).slice(0, 80),
    });
  const own = definition.settings ?? ({} as Shape);
  return {
    name,
    title,
    about,
    to: `${name}:…`,
    start: `${name}:`,
    schema: z.strictObject({ type: z.string(), mode, ...own }) as z.ZodObject & z.ZodType<DestinationSettings>,
    secrets: definition.secrets ?? Object.keys(own).filter((field) => SECRET_NAME.test(field)),
    environment: Object.fromEntries(Object.entries(environment)) as Record<string, string>,
    paths,
    fromText(text) {
      const settings = text.startsWith(`${name}:`) ? definition.fromText?.(text.slice(name.length + 1)) : undefined;
      return settings && { type: name, ...settings };
    },
    // The fields are checked by zod before it is opened.
    open: (settings, place) => definition.open(settings as DestinationSettingsOf<Shape>, place),
  };
}
