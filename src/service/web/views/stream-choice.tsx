/** Whether the settings work, and which streams to read: with their estimated rows, ticked one by one. */
import type { Estimate } from '../../client/index.js';
import { Table } from '../parts';
import { count, duration } from '../text';

export const FOLLOWS: Record<string, string> = {
  events: 'what events name',
  cursor: 'what is newer',
  reread: 'read whole again',
};

export interface Found {
  account: string;
  destination: string;
  streams: string[];
  /** Comes later: undefined while it is asked for. */
  estimate?: Estimate | undefined;
  /** Why there is no estimate. */
  failure?: string | undefined;
}

interface Props {
  found: Found;
  /** Undefined: all. */
  chosen: string[] | undefined;
  onChange: (chosen: string[] | undefined) => void;
}

export function StreamChoice({ found, chosen, onChange }: Props) {
  const { streams, estimate, failure } = found;
  const told = new Map((estimate?.streams ?? []).map((each) => [each.stream, each]));
  const isChosen = (name: string) => chosen === undefined || chosen.includes(name);
  const choose = (next: string[]) => onChange(next.length === streams.length ? undefined : next);
  const unknown = failure === undefined && estimate === undefined ? '…' : 'unknown';
  return (
    <>
      <p class="row">
        <button type="button" onClick={() => onChange(undefined)}>
          All
        </button>
        <button type="button" onClick={() => onChange([])}>
          None
        </button>
        <span role="status">{sumOf(found, isChosen)}</span>
      </p>
      <Table
        caption="Streams"
        head={['Read', 'Rows', 'Requests', 'Key', 'Later runs bring']}
        empty="It has no streams."
        rows={streams.map((name) => {
          const each = told.get(name);
          return {
            key: name,
            cells: [
              <label class="check">
                <input
                  type="checkbox"
                  checked={isChosen(name)}
                  onChange={(event) =>
                    choose(streams.filter((other) => (other === name ? event.currentTarget.checked : isChosen(other))))
                  }
                />
                {name}
              </label>,
              each?.error ?? rowsText(each, unknown),
              typeof each?.requests === 'number' ? about(each.requests, each.exact) : unknown,
              each === undefined ? '' : each.key.length === 0 ? 'none: rows are only added' : each.key.join(', '),
              each === undefined ? '' : (FOLLOWS[each.follows] ?? each.follows),
            ],
          };
        })}
      />
      {failure !== undefined && <p class="failure">Nothing could be estimated: {failure}</p>}
    </>
  );
}

const rounded = (value: number) => count(Number(value.toPrecision(2)));
const about = (value: number, exact: boolean) => (exact ? count(value) : `about ${rounded(value)}`);

function rowsText(each: Estimate['streams'][number] | undefined, unknown: string): string {
  if (!each) return unknown;
  if (each.low !== null && each.high !== null) return `${rounded(each.low)} to ${rounded(each.high)}`;
  return each.rows === null ? 'unknown' : about(each.rows, each.exact);
}

function sumOf({ streams, estimate, failure }: Found, isChosen: (name: string) => boolean): string {
  const chosen = streams.filter(isChosen);
  const text = `${chosen.length} of ${streams.length} streams`;
  if (!estimate) return failure === undefined ? `${text}; counting their rows by a few requests each…` : text;
  const told = estimate.streams.filter(({ stream }) => chosen.includes(stream));
  const rows = told.reduce((sum, each) => sum + (each.rows ?? 0), 0);
  const requests = told.reduce((sum, each) => sum + (each.requests ?? 0), 0);
  const isWhole = told.length === chosen.length && told.every((each) => each.rows !== null);
  const share = estimate.requests > 0 ? requests / estimate.requests : 0;
  return `${text}: ${isWhole ? 'about' : 'at least'} ${rounded(rows)} rows, ${rounded(requests)} requests, ${duration(1000 * estimate.seconds * share)} at the limit`;
}
