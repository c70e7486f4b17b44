/** The reference of the streams, from the same tables that they are read by. */
import type { Follow } from '../contract.js';
import { toldBy } from './changes.js';
import {
  CHANGED_WITH_PARENT,
  GROUPS,
  KEYS,
  MORE_STREAMS,
  MOVED,
  NEWEST_FIRST,
  NOT_OFFERED,
  PRODUCT_OF_GROUP,
  TELLS_OF_ACCOUNT,
  UNMAPPED,
  USUAL_LOOKBACK,
} from './facts.js';
import { EVENTS, EVENTS_V2, LISTS } from './generated/lists.js';
import { ABOUT } from './generated/schemas.js';
import { fieldNames } from './schemas.js';
import { FIELDS_2024 } from './schemas-2024.js';
import { STREAMS, type StreamDefinition } from './streams.js';
import { FIRST_VERSION, NEWEST_VERSION } from './versions.js';

/** Markdown below the title. */
export function reference(): string {
  return [
    `${STREAMS.length} streams of ${LISTS.length} lists, at version ${NEWEST_VERSION}; states from before go on at ${FIRST_VERSION}. Made from the types of npm's \`stripe\` and the table beside them.`,
    ...GROUPS.map(groupText),
    `## Lists that are no streams\n\n${table(
      ['list', 'why'],
      Object.entries(NOT_OFFERED).map(([path, why]) => [`\`/${path}\``, why]),
    )}`,
    eventsText(),
    `## From ${FIRST_VERSION} to ${NEWEST_VERSION}\n\nA state that moves keeps its columns; what Stripe moved is found elsewhere in rows that are read from then on.\n\n${table(
      ['stream', 'field', 'now'],
      MOVED.map(({ stream, field, to }) => [stream, `\`${field}\``, to]),
    )}`,
    notSeenText(),
    `## Columns\n\n${STREAMS.map(columnsText).join('\n\n')}`,
  ].join('\n\n');
}

function groupText(group: (typeof GROUPS)[number]): string {
  const streams = STREAMS.filter((stream) => stream.group === group);
  const product = PRODUCT_OF_GROUP[group];
  const rows = streams.map((stream) => [
    stream.byDefault ? `**${stream.name}**` : stream.name,
    `\`/${stream.api === 1 ? 'v1/' : ''}${stream.path}\``,
    dividedText(stream),
    followText(stream),
    evidenceText(stream),
    stream.key.join(', '),
    String(fieldNames(stream, NEWEST_VERSION).length),
    ABOUT[stream.list.path] ?? '',
  ]);
  return `## ${group}\n\n${product ? `Of accounts that use ${product}. ` : ''}${streams.some(({ byDefault }) => byDefault) ? 'Those in bold are read where nothing is chosen.' : 'Read where it is asked for.'}\n\n${table(['stream', 'list', 'divided', 'follows changes', 'evidence', 'key', 'fields', 'what it holds'], rows)}`;
}

function dividedText({ shape, position, order }: StreamDefinition): string {
  if (shape === 'chain') return 'one chain';
  if (shape === 'range') return `by \`${position}\`${order === 'verified' ? ', the order is looked at' : ''}`;
  return `for each of ${shape.parent}${shape.parameter ? ` (\`${shape.parameter}\`)` : ''}`;
}

function followText({ follow, withParent, shape }: StreamDefinition): string {
  const isListed = follow.kind === 'events' && follow.parents === 'listed';
  if (withParent && typeof shape === 'object')
    return `with its parent, by events of ${shape.parent}${isListed ? ', and where one is listed as new' : ''}`;
  return HOW[follow.kind](follow);
}

const HOW: Record<Follow['kind'], (follow: Follow) => string> = {
  events: () => 'by events',
  cursor: (follow) => `by date, ${Math.round(((follow.kind === 'cursor' && follow.lookback) || 0) / 3600)} h back`,
  reread: () => 'read again and compared',
};

/** Why rows that are gone are known to be gone. */
function evidenceText({ follow, withParent, list }: StreamDefinition): string {
  if (withParent) return "the parent's list, whole";
  if (follow.kind === 'reread') return 'the list, whole';
  if (follow.kind === 'cursor') return list.deletes ? 'none: deletions are not told' : 'rows are never deleted';
  return list.answersDeleted ? 'the object says that it is deleted' : 'the object is not found any more';
}

function eventsText(): string {
  const all = [...EVENTS, ...EVENTS_V2];
  const unmapped = all.flatMap(([type, objects]) => {
    const isTold = objects
      .split(' ')
      .some(
        (object) =>
          toldBy({ type, data: { object: { id: 'x', object, customer: 'x', subscription: 'x' } } }).length > 0,
      );
    if (isTold || TELLS_OF_ACCOUNT.test(type)) return [];
    return [[`\`${type}\``, UNMAPPED[objects.split(' ')[0]!] ?? 'its object is known when it comes']];
  });
  return `## Events\n\n${all.length - unmapped.length} of ${all.length} types of events lead to the objects of a stream. The others:\n\n${table(['event', 'why'], unmapped)}`;
}

function notSeenText(): string {
  const verified = STREAMS.filter(({ order, shape }) => shape === 'range' && order === 'verified').map(
    ({ name }) => name,
  );
  const second = STREAMS.filter(({ api }) => api === 2).map(({ name }) => name);
  const byAge = STREAMS.filter(({ follow }) => follow.kind === 'cursor' && follow.lookback === USUAL_LOOKBACK);
  const later = STREAMS.filter(({ name }) => FIELDS_2024[name] === undefined);
  return `## Not yet seen on a real account

What the types and the reference say was tried against the simulated account alone; a real one would have to confirm:

- the ${later.length} streams that were not there before version ${NEWEST_VERSION} was known
- that the newest come first in ${verified.join(', ')}: looked at page by page, and read as one chain where it is not so
- that ${[...NEWEST_FIRST].length} lists whose description says nothing of it still list the newest first
- pages and times of the second API: ${second.join(', ')}
- that ${byAge.map(({ name }) => name).join(', ')} change no more after ${USUAL_LOOKBACK / 86_400} days
- that the children of ${[...CHANGED_WITH_PARENT].length} lists change with an event of their parent
- keys that are unique within their parent only: ${Object.keys(KEYS).join(', ')}
- ${MORE_STREAMS.map(({ name }) => name).join(', ')}: which payouts have a list
- how errors word it that an account lacks a product`;
}

function columnsText(stream: StreamDefinition): string {
  return `### ${stream.name}\n\n${fieldNames(stream, NEWEST_VERSION)
    .map((name) => `\`${name}\``)
    .join(', ')}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), `|${header.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
