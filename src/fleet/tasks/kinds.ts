/** The kinds of tasks, and what each must be told. */
import { z } from 'zod';
import { ConfigError } from '../../base/errors.js';
import { hashString } from '../../base/random.js';
import { schemaFault } from '../../base/schema-fault.js';

const position = z.int().min(0).optional();
/** `accept_deletions`: streams whose missing rows are marked deleted, however many they are. */
const reading = z.strictObject({
  parts: z.int().min(1).max(64).optional(),
  accept_deletions: z.array(z.string().min(1).max(200)).min(1).max(1_000).optional(),
});

export const TASK_KINDS = {
  sync: {
    about: 'what is missing: the whole history at first, what changed afterwards',
    payload: reading,
  },
  full: {
    about: 'every stream once more, compared with what is stored',
    payload: reading,
  },
  rescrape: {
    about: 'one stream once more, or a part of it',
    payload: z.strictObject({ stream: z.string().min(1), gte: position, lt: position }),
  },
  changes: { about: 'the objects that events of a webhook named', payload: z.strictObject({}) },
  check: { about: 'whether credential and destination work', payload: z.strictObject({}) },
  verify: {
    about: 'whether what is stored agrees with the ledger, and by samples with the API',
    payload: z.strictObject({ samples: z.int().min(0).max(1000).optional() }),
  },
  part: {
    about: 'ranges of a run that another worker leads',
    payload: z.strictObject({ run: z.string().min(1), number: z.int().min(1) }),
  },
} as const;

/** Those that a person asks for; the others, Headrace does. */
export const ASKED_KINDS = [
  'sync',
  'full',
  'rescrape',
  'check',
  'verify',
] as const satisfies (keyof typeof TASK_KINDS)[];

export type TaskKind = keyof typeof TASK_KINDS;

export type PayloadOf<Kind extends TaskKind> = z.infer<(typeof TASK_KINDS)[Kind]['payload']>;

/** One that runs the connection's ledger, or compares with it: never two at a time. */
const EXCLUSIVE: TaskKind[] = ['sync', 'full', 'rescrape', 'verify'];
/** Short ones, and those that somebody waits for, go before a backfill; parts of a run after all that has none. */
const PRIORITIES: Partial<Record<TaskKind, number>> = { check: 30, changes: 20, rescrape: 10, verify: 5, part: -60 };

export interface TaskRequest {
  connection: string;
  kind: TaskKind;
  payload: Record<string, unknown>;
  key: string;
  exclusive: boolean;
  priority: number;
}

/**
 * A task as it is enqueued: two that ask for the same have the same key, and the second joins the first. Throws
 * ConfigError.
 */
export function taskOf(
  connection: string,
  kind: string,
  payload: Record<string, unknown> = {},
  priority?: number,
): TaskRequest {
  const checked = payloadOf(kind, payload);
  return {
    connection,
    kind: kind as TaskKind,
    payload: checked,
    key: keyOf(kind as TaskKind, checked),
    exclusive: EXCLUSIVE.includes(kind as TaskKind),
    priority: priority ?? PRIORITIES[kind as TaskKind] ?? 0,
  };
}

export function payloadOf(kind: string, payload: Record<string, unknown>): Record<string, unknown> {
  if (!Object.hasOwn(TASK_KINDS, kind))
    throw new ConfigError(`there is no kind of task ${kind}`, {
      code: 'unknown_kind',
      expected: Object.keys(TASK_KINDS).join(', '),
      found: kind,
      next: 'name one of them',
    });
  const result = TASK_KINDS[kind as TaskKind].payload.safeParse(payload);
  if (!result.success) {
    const { path, unknown, expected, found } = schemaFault(result.error, payload);
    const names = Object.keys(TASK_KINDS[kind as TaskKind].payload.shape).join(', ');
    throw new ConfigError(
      unknown
        ? `a task of kind ${kind} cannot be told ${found}`
        : `${path.join('.')} of a task of kind ${kind} is wrong`,
      {
        code: 'bad_payload',
        place: path.join('.') || unknown?.[0],
        expected: unknown ? names || 'nothing but the kind' : expected,
        found,
        next: 'see docs/guides/scheduler.md',
      },
    );
  }
  const { gte, lt } = result.data as { gte?: number; lt?: number };
  if (gte !== undefined && lt !== undefined && gte >= lt)
    throw new ConfigError('the range is empty', {
      code: 'empty_range',
      expected: 'a start before its end',
      found: `[${gte}, ${lt})`,
    });
  return result.data;
}

/** A repeated task and one asked for by hand are the same where they do the same. */
function keyOf(kind: TaskKind, payload: Record<string, unknown>): string {
  // What accepts deletions does not join a task that does not.
  const accepted = (payload as Partial<PayloadOf<'sync'>>).accept_deletions;
  if (accepted) return `${kind}/accepting/${hashString(accepted.toSorted().join('\u0001')).toString(36)}`;
  if (kind === 'sync') return 'repeat/sync';
  if (kind === 'part') return `part/${(payload as PayloadOf<'part'>).run}/${(payload as PayloadOf<'part'>).number}`;
  if (kind !== 'rescrape') return kind;
  const { stream, gte, lt } = payload as PayloadOf<'rescrape'>;
  return gte === undefined && lt === undefined ? `rescrape/${stream}` : `rescrape/${stream}/${gte ?? ''}-${lt ?? ''}`;
}
