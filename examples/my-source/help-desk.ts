/** The help desk that `my-source.ts` reads, simulated: a list with a range filter, a cursor, a key and a limit. */
import {
  startTestbed,
  type Testbed,
  type TestbedAnswer,
  type TestbedOptions,
  type TestbedRequest,
} from 'headrace/testbed';

export const KEY = 'help-desk-key-1';

export interface HelpDeskOptions extends TestbedOptions {
  tickets: number;
  /** How many rows an answer holds at most, where so many were asked for. */
  rows?: (asked: number) => number;
}

export function startHelpDesk({ tickets, rows = (asked) => asked, ...options }: HelpDeskOptions): Promise<Testbed> {
  const all = Array.from({ length: tickets }, (_, n) => ({
    id: `t${n}`,
    updated: 1_700_000_000 + n * 60,
    title: `Ticket ${n}`,
  })).toReversed();
  const answer = ({ url, headers }: TestbedRequest): TestbedAnswer => {
    const json = (status: number, body: unknown) => ({ status, body: JSON.stringify(body) });
    if (headers.authorization !== `Bearer ${KEY}`) return json(401, { error: 'who are you?' });
    const number = (name: string, otherwise: number) => Number(url.searchParams.get(name) ?? otherwise);
    const [since, until] = [number('since', -Infinity), number('until', Infinity)];
    const found = all.filter(({ updated }) => updated >= since && updated < until);
    const after = url.searchParams.get('after');
    const at = after === null ? 0 : found.findIndex(({ id }) => id === after) + 1;
    if (after !== null && at === 0) return json(410, { error: 'no such ticket' });
    const page = found.slice(at, at + rows(number('limit', 50)));
    return json(200, { tickets: page, next: at + page.length < found.length ? page.at(-1)!.id : null });
  };
  return startTestbed({ endpointOf: () => 'tickets', answer }, options);
}
