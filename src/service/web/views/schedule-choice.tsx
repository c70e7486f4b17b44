/** When a connection runs, with its next three runs in words. */
import { useEffect, useState } from 'preact/hooks';
import type { Draft, Every } from '../draft';
import { errorText, Field } from '../parts';
import { Labelled } from '../controls';
import { client } from '../session';
import { dayText, duration } from '../text';

/** Who still types is not answered yet. */
const SETTLE_MS = 300;

const WAYS: [Every, string][] = [
  ['every', 'again and again'],
  ['cron', 'by a cron expression'],
  ['asked', 'when asked for'],
];

interface Props {
  draft: Draft;
  set: (part: Partial<Draft>) => void;
}

export function ScheduleChoice({ draft, set }: Props) {
  const { when, every, cron, zone } = draft;
  const [next, setNext] = useState<{ text: string; failed: boolean }>();
  useEffect(() => {
    if (when === 'asked') return setNext({ text: 'Nothing runs by itself.', failed: false });
    let isOver = false;
    const tell = (text: string, failed: boolean) => !isOver && setNext({ text, failed });
    const asked = when === 'every' ? { every: every.trim() } : { cron: cron.trim(), time_zone: zone.trim() };
    const timer = setTimeout(() => {
      client.previewSchedule(asked).then(
        (preview) => tell(wordsOf(preview.next), false),
        (error: unknown) => tell(errorText(error), true),
      );
    }, SETTLE_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [when, every, cron, zone]);
  return (
    <>
      <Field label="It runs">
        <select value={when} onChange={(event) => set({ when: event.currentTarget.value as Every })}>
          {WAYS.map(([way, text]) => (
            <option key={way} value={way}>
              {text}
            </option>
          ))}
        </select>
      </Field>
      <Times draft={draft} set={set} />
      <p role="status" class={next?.failed ? 'failure' : 'said'}>
        {next?.text}
      </p>
    </>
  );
}

function Times({ draft: { when, every, cron, zone }, set }: Props) {
  if (when === 'asked') return null;
  if (when === 'every')
    return (
      <Labelled label="Every" help="Such as 15m, 6h or 1d.">
        {(described) => (
          <input
            {...described}
            class="number"
            required
            value={every}
            onInput={(event) => set({ every: event.currentTarget.value })}
          />
        )}
      </Labelled>
    );
  return (
    <>
      <Labelled label="Cron expression" help="minute hour day month weekday">
        {(described) => (
          <input {...described} required value={cron} onInput={(event) => set({ cron: event.currentTarget.value })} />
        )}
      </Labelled>
      <Labelled label="Time zone" help="Such as Europe/Berlin.">
        {(described) => (
          <input {...described} required value={zone} onInput={(event) => set({ zone: event.currentTarget.value })} />
        )}
      </Labelled>
    </>
  );
}

/** In the time zone of who looks. */
function wordsOf(times: string[]): string {
  const words = times.map((time) => {
    const ms = Date.parse(time) - Date.now();
    return ms < 1_000 ? 'at once' : `${dayText(time)} (in ${duration(ms)})`;
  });
  return `Next runs: ${words.join('; ')}.`;
}
