/** What a run told: what went wrong first, and searchable. */
import { useState } from 'preact/hooks';
import type { RunEvent } from '../../client/index.js';
import { eventText, isTrouble } from '../../../runs/event-text.js';
import { count } from '../text';

const SHOWN = 100;

export function RunLog({ events }: { events: RunEvent[] }) {
  const [search, setSearch] = useState('');
  const [shown, setShown] = useState(SHOWN);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = events
    .map((each) => ({ ...each, text: eventText(each.event), isBad: isTrouble(each.event) }))
    .filter(({ text }) => words.every((word) => text.toLowerCase().includes(word)))
    .toReversed();
  const sorted = [...found.filter((each) => each.isBad), ...found.filter((each) => !each.isBad)];
  return (
    <>
      <h2>Log</h2>
      <form role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          <span>Search the log</span>
          <input type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
      </form>
      <p role="status" class="empty">
        {count(found.length)} of {count(events.length)}, {count(found.filter((each) => each.isBad).length)} that went
        wrong
      </p>
      <ol class="events" tabIndex={0} aria-label="Log, what went wrong first, then the newest">
        {sorted.slice(0, shown).map((each) => (
          <li key={each.id} class={each.isBad ? 'failure' : undefined}>
            <time dateTime={each.at}>{each.at.slice(11, 19)}</time> {each.isBad && <span aria-hidden="true">! </span>}
            {each.text}
          </li>
        ))}
      </ol>
      {sorted.length > shown && (
        <button type="button" onClick={() => setShown(shown + 5 * SHOWN)}>
          Show more of the log
        </button>
      )}
    </>
  );
}
