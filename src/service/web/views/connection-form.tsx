/**
 * Make or edit a connection: its source and its destination as their schemas ask, a test, its streams, its schedule. It
 * knows no connector and no destination but through the API.
 */
import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../../client/index.js';
import {
  configSchemaOf,
  draftOf,
  newDraft,
  settingsOf,
  startDestination,
  wholeOf,
  type Draft,
  type Kinds,
} from '../draft';
import { Button, errorText, faultText, Field, Heading, Loading } from '../parts';
import type { Schema } from '../schema';
import { Labelled } from '../controls';
import { SchemaForm, SettingsForm, type FieldFault } from '../schema-form';
import { client } from '../session';
import { AlertChoice } from './alert-choice';
import { ScheduleChoice } from './schedule-choice';
import { StreamChoice, type Found } from './stream-choice';

interface Said {
  text: string;
  failed: boolean;
}

interface Editing {
  draft: Draft;
  set: (part: Partial<Draft>) => void;
  kinds: Kinds;
  fault: FieldFault | undefined;
}

export function NewConnection({ connector, definition }: { connector: string; definition: string | undefined }) {
  const [kinds, setKinds] = useState<Kinds>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    kindsOf(connector, definition).then(setKinds, (fault: unknown) => setError(errorText(fault)));
  }, []);
  return kinds ? (
    <ConnectionForm kinds={kinds} start={newDraft(kinds)} />
  ) : (
    <>
      <Heading>New connection</Heading>
      <Loading error={error} what="what it asks for" />
    </>
  );
}

export function EditConnection({ id }: { id: string }) {
  const [loaded, setLoaded] = useState<{ kinds: Kinds; draft: Draft }>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    void (async () => {
      try {
        const { settings, version } = await client.getConnection(id);
        const draft = draftOf(id, settings, version);
        const { connector } = draft.source as { connector: string };
        setLoaded({ draft, kinds: await kindsOf(connector, undefined, draft.source) });
      } catch (fault) {
        setError(errorText(fault));
      }
    })();
  }, [id]);
  return loaded ? (
    <ConnectionForm kinds={loaded.kinds} start={loaded.draft} id={id} />
  ) : (
    <>
      <Heading>Edit {id}</Heading>
      <Loading error={error} what="the connection" />
    </>
  );
}

/** What the API knows of what is connected. `source`: settings that name the definition. */
async function kindsOf(name: string, given: string | undefined, source: Record<string, unknown> = {}): Promise<Kinds> {
  const [{ items: connectors }, { items: destinations }] = await Promise.all([
    client.listConnectors(),
    client.listDestinations(),
  ]);
  const connector = connectors.find((each) => each.name === name);
  if (!connector) throw new Error(`There is no connector ${name} here.`);
  const named = given ?? source[connector.definition?.setting ?? ''];
  const definition = typeof named === 'string' ? await client.getDefinition(named.replace(/\.ya?ml$/, '')) : undefined;
  return { connector, definition, destinations };
}

/** What is written, and what the service said of it. */
function useDraft(start: Draft, id: string | undefined) {
  const [draft, setDraft] = useState(start);
  const [said, setSaid] = useState<Said>();
  const [fault, setFault] = useState<FieldFault>();
  const [found, setFound] = useState<Found>();
  const [isBusy, setBusy] = useState(false);
  const set = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const doing = async (text: string, work: () => Promise<void>) => {
    setFault(undefined);
    setBusy(true);
    setSaid({ text, failed: false });
    try {
      await work();
      setSaid(undefined);
    } catch (error) {
      const place = error instanceof ApiError ? error.detail.place : undefined;
      setFault(place === undefined ? undefined : { place, text: errorText(error) });
      setSaid({ text: errorText(error), failed: true });
    } finally {
      setBusy(false);
    }
  };
  const test = () =>
    doing('Testing…', async () => {
      const settings = { id: draft.id, ...wholeOf(draft) };
      const { ok, error, account = '', destination = '', streams = [] } = await client.testSettings(settings);
      if (!ok) throw new Error(faultText(error!));
      const works: Found = { account, destination, streams };
      setFound(works);
      client.estimateSettings(settings).then(
        (estimate) => setFound({ ...works, estimate }),
        (failure: unknown) => setFound({ ...works, failure: errorText(failure) }),
      );
    });
  const save = (run: boolean) =>
    doing('Saving…', async () => {
      if (id === undefined) await client.createConnection({ id: draft.id, ...settingsOf(draft) });
      else await client.editConnection(id, { ...settingsOf(draft), version: draft.version });
      if (run) await client.runConnection(draft.id, {});
      location.hash = `#/connections/${encodeURIComponent(draft.id)}${run ? '/first' : ''}`;
    });
  return { draft, set, said, fault, found, isBusy, test, save };
}

function ConnectionForm({ kinds, start, id }: { kinds: Kinds; start: Draft; id?: string }) {
  const { draft, set, said, fault, found, isBusy, test, save } = useDraft(start, id);
  const editing = { draft, set, kinds, fault };
  const cannot = isBusy || draft.streams?.length === 0;
  return (
    <form
      class="narrow"
      onSubmit={(event) => {
        event.preventDefault();
        void save(id === undefined);
      }}
    >
      <Intro kinds={kinds} id={id} />
      {id === undefined && <NameField draft={draft} set={set} fault={fault} />}
      <SourceSettings {...editing} />
      <DestinationSettings {...editing} />
      <h2>Streams</h2>
      <p class="row">
        <Button isOff={isBusy} onClick={(event) => isFilledIn(event) && void test()}>
          Test, and list the streams
        </Button>
        {found === undefined && (
          <span class="empty">{draft.streams === undefined ? 'all of them' : draft.streams.join(', ')}</span>
        )}
      </p>
      {found && (
        <div class="wide">
          <p class="said" role="status">
            Works: account {found.account}, {found.destination}.
          </p>
          <StreamChoice found={found} chosen={draft.streams} onChange={(streams) => set({ streams })} />
        </div>
      )}
      <h2>When</h2>
      <ScheduleChoice draft={draft} set={set} />
      <Labelled
        label="Fresh within"
        help="Such as 6h: once what is stored is older, the connection is late, and alerts tell."
        fault={fault?.place === 'fresh_within' ? fault.text : undefined}
      >
        {(described) => (
          <input
            {...described}
            class="number"
            value={draft.freshWithin}
            onInput={(event) => set({ freshWithin: event.currentTarget.value })}
          />
        )}
      </Labelled>
      <AlertChoice draft={draft} set={set} fault={fault} />
      <MostTasks draft={draft} set={set} />
      <p class="row">
        <Button type="submit" class="strong" isOff={cannot}>
          {id === undefined ? 'Make it and run' : 'Save'}
        </Button>
        {id === undefined && (
          <Button isOff={cannot} onClick={(event) => isFilledIn(event) && void save(false)}>
            Make it only
          </Button>
        )}
        <a href={id === undefined ? '#/new' : `#/connections/${encodeURIComponent(id)}`}>Leave it</a>
      </p>
      <p role="alert" class={said?.failed ? 'failure' : 'said'}>
        {said?.text}
      </p>
    </form>
  );
}

/** The browser says what is missing. */
const isFilledIn = (event: { currentTarget: HTMLButtonElement }) => event.currentTarget.form?.reportValidity() === true;

function Intro({ kinds: { connector, definition }, id }: { kinds: Kinds; id: string | undefined }) {
  const title = definition?.title ?? connector.title;
  return (
    <>
      <Heading>{id === undefined ? `New connection: ${title}` : `Edit ${id}`}</Heading>
      <p>
        {connector.about}{' '}
        {definition?.documentation != null && (
          <a href={definition.documentation} rel="noreferrer noopener" target="_blank">
            Its documentation
          </a>
        )}
      </p>
    </>
  );
}

function MostTasks({ draft, set }: Pick<Editing, 'draft' | 'set'>) {
  return (
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
  );
}

function NameField({ draft, set, fault }: Pick<Editing, 'draft' | 'set' | 'fault'>) {
  return (
    <Labelled
      label="Name"
      required
      help="a-z, 0-9, _ and -; it names the schema of the tables as well."
      fault={fault?.place === 'id' ? fault.text : undefined}
    >
      {(described) => (
        <input
          {...described}
          required
          pattern="[a-z][a-z0-9_\-]{0,39}"
          value={draft.id}
          onInput={(event) => set({ id: event.currentTarget.value })}
        />
      )}
    </Labelled>
  );
}

/** The connector's settings; of a definition, first what it asks for. */
function SourceSettings({ draft, set, kinds, fault }: Editing) {
  const { connector } = kinds;
  const named = connector.definition;
  const config = configSchemaOf(kinds);
  const own = ['connector', 'streams', ...(draft.source['exclude'] === undefined ? ['exclude'] : [])];
  const change = (source: Record<string, unknown>) => set({ source });
  const settings = { schema: connector.settings as Schema, value: draft.source, onChange: change, at: 'source', fault };
  return (
    <>
      <h2>Source</h2>
      {named && config ? (
        <>
          <SettingsForm
            label="Configuration"
            schema={config}
            value={(draft.source[named.config] ?? {}) as Record<string, unknown>}
            onChange={(value) => change({ ...draft.source, [named.config]: value })}
            at={`source.${named.config}`}
            fault={fault && inConfig(fault, named.config)}
          />
          <SchemaForm {...settings} hide={[...own, named.setting ?? '', named.config]} />
        </>
      ) : (
        <SettingsForm {...settings} label="Source" hide={own} />
      )}
    </>
  );
}

/** A definition's own check names its fields without the part of the connection that holds them. */
const inConfig = (fault: FieldFault, config: string): FieldFault =>
  fault.place.startsWith(`${config}.`) ? { ...fault, place: `source.${fault.place}` } : fault;

function DestinationSettings({ draft, set, kinds: { destinations }, fault }: Editing) {
  const offered = destinations.filter(({ storable }) => storable);
  const chosen = offered.find(({ name }) => name === draft.destination['type']) ?? offered[0]!;
  return (
    <>
      <h2>Destination</h2>
      <Field label="Rows go to">
        <select
          value={chosen.name}
          onChange={(event) =>
            set({ destination: startDestination(offered.find(({ name }) => name === event.currentTarget.value)!) })
          }
        >
          {offered.map(({ name, title }) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </Field>
      <SettingsForm
        key={chosen.name}
        label="Destination"
        schema={chosen.settings as Schema}
        value={draft.destination}
        onChange={(destination) => set({ destination })}
        at="destination"
        fault={fault}
        hide={['type']}
      />
    </>
  );
}
