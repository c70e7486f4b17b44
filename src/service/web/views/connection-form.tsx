/**
 * Make or edit a connection. What every connection has is asked for in fields, what its connector alone knows as JSON.
 */
import { useEffect, useState } from 'preact/hooks';
import type { ConnectionEdit } from '../../client/index.js';
import { errorText, Field, Heading, Loading } from '../parts';
import { client } from '../session';

interface Draft {
  id: string;
  source: string;
  destination: string;
  every: string;
  most: string;
  version?: number;
  /** What the fields do not show. */
  rest: Record<string, unknown>;
}

const STARTS: Record<string, Record<string, unknown>> = {
  stripe: { connector: 'stripe', api_key: '' },
  manifest: { connector: 'manifest', manifest: '', config: {} },
};
const NEW: Draft = {
  id: '',
  source: pretty(STARTS['stripe']!),
  destination: pretty({ type: 'embedded' }),
  every: '1h',
  most: '4',
  rest: {},
};

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

interface Said {
  text: string;
  failed: boolean;
}

type Probe = Awaited<ReturnType<typeof client.testSettings>>;

export function ConnectionForm({ id }: { id?: string }) {
  const [draft, setDraft] = useState<Draft | undefined>(id === undefined ? NEW : undefined);
  const [said, setSaid] = useState<Said>();
  useEffect(() => {
    if (id === undefined) return;
    client.getConnection(id).then(
      ({ settings, version }) => setDraft(draftOf(id, settings, version)),
      (error: unknown) => setSaid({ text: errorText(error), failed: true }),
    );
  }, [id]);
  const title = id === undefined ? 'New connection' : `Edit ${id}`;
  if (!draft)
    return (
      <>
        <Heading>{title}</Heading>
        <Loading error={said?.text} what="the connection" />
      </>
    );
  const set = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const submit = async (event: Event, test: boolean) => {
    event.preventDefault();
    setSaid({ text: test ? 'Testing…' : 'Saving…', failed: false });
    try {
      if (test) {
        const probe = await client.testSettings({ id: draft.id, ...settingsOf(draft) });
        return setSaid(verdictOf(probe));
      }
      if (id === undefined) await client.createConnection({ id: draft.id, ...settingsOf(draft) });
      else await client.editConnection(id, { ...settingsOf(draft), version: draft.version });
      location.hash = `#/connections/${encodeURIComponent(draft.id)}`;
    } catch (error) {
      setSaid({ text: errorText(error), failed: true });
    }
  };
  return (
    <form class="narrow" onSubmit={(event) => void submit(event, false)}>
      <Heading>{title}</Heading>
      {id === undefined && <Beginning draft={draft} set={set} />}
      <Settings draft={draft} set={set} />
      <p class="row">
        <button class="strong">{id === undefined ? 'Make the connection' : 'Save'}</button>
        <button type="button" onClick={(event) => void submit(event, true)}>
          Test first
        </button>
        <a href={id === undefined ? '#/' : `#/connections/${encodeURIComponent(id)}`}>Leave it</a>
      </p>
      <p role="alert" class={said?.failed ? 'failure' : 'said'}>
        {said?.text}
      </p>
    </form>
  );
}

interface Editing {
  draft: Draft;
  set: (part: Partial<Draft>) => void;
}

/** What is chosen once, when a connection is made. */
function Beginning({ draft, set }: Editing) {
  return (
    <>
      <Field label="Name" hint="a-z, 0-9, _ and -; it names the schema of the tables as well">
        <input
          required
          pattern="[a-z][a-z0-9_\-]{0,39}"
          value={draft.id}
          onInput={(event) => set({ id: event.currentTarget.value })}
        />
      </Field>
      <Field label="Connector">
        <select onChange={(event) => set({ source: pretty(STARTS[event.currentTarget.value]) })}>
          {Object.keys(STARTS).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </Field>
    </>
  );
}

function Settings({ draft, set }: Editing) {
  return (
    <>
      <Field label="Source" hint="Settings of the connector. A secret that reads ******** stays as it is stored.">
        <textarea
          rows={8}
          spellcheck={false}
          value={draft.source}
          onInput={(event) => set({ source: event.currentTarget.value })}
        />
      </Field>
      <Field label="Destination">
        <textarea
          rows={4}
          spellcheck={false}
          value={draft.destination}
          onInput={(event) => set({ destination: event.currentTarget.value })}
        />
      </Field>
      <Field label="Runs every" hint="such as 15m, 6h or 1d, or a cron expression; empty: when asked for">
        <input value={draft.every} onInput={(event) => set({ every: event.currentTarget.value })} />
      </Field>
      <Field label="Tasks at once">
        <input
          class="number"
          type="number"
          min={1}
          max={1000}
          required
          value={draft.most}
          onInput={(event) => set({ most: event.currentTarget.value })}
        />
      </Field>
    </>
  );
}

function draftOf(id: string, settings: unknown, version: number): Draft {
  const {
    source,
    destination,
    schedule,
    max_concurrent_processes: most,
    ...rest
  } = settings as {
    source: unknown;
    destination: unknown;
    schedule?: { every?: string; cron?: string };
    max_concurrent_processes?: number;
  };
  return {
    id,
    source: pretty(source),
    destination: pretty(destination),
    every: schedule?.every ?? schedule?.cron ?? '',
    most: String(most ?? 4),
    version,
    rest: { ...rest, ...(schedule ? { schedule } : {}) },
  };
}

function settingsOf(draft: Draft): ConnectionEdit {
  return {
    ...draft.rest,
    source: parse(draft.source, 'Source') as ConnectionEdit['source'],
    destination: parse(draft.destination, 'Destination') as ConnectionEdit['destination'],
    max_concurrent_processes: Number(draft.most),
    schedule: scheduleOf(draft.every, draft.rest['schedule'] as object | undefined),
  } as ConnectionEdit;
}

function verdictOf(probe: Probe): Said {
  return probe.ok
    ? {
        text: `Works: account ${probe.account}, ${probe.destination}, ${probe.streams?.length} streams.`,
        failed: false,
      }
    : {
        text: `${probe.error!.message}${probe.error!.next ? `; next: ${probe.error!.next}` : ''}`,
        failed: true,
      };
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what} is no JSON: ${error instanceof Error ? error.message : ''}`, { cause: error });
  }
}

function scheduleOf(text: string, before: object | undefined): object | undefined {
  const every = text.trim();
  if (every === '') return undefined;
  const { every: _every, cron: _cron, ...rest } = (before ?? {}) as { every?: string; cron?: string };
  return every.includes(' ') ? { ...rest, cron: every } : { ...rest, every };
}
