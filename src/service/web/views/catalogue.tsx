/** What a connection can read: connectors, and definitions that are there for it. */
import { useState } from 'preact/hooks';
import { useLoaded } from '../live';
import { Heading, Loading } from '../parts';
import { labelOf } from '../schema';
import { client } from '../session';
import { count } from '../text';

const SHOWN = 60;

interface Offer {
  title: string;
  about: string;
  kind: string;
  /** Undefined: it is written in headrace.yaml. */
  href: string | undefined;
}

export function Catalogue() {
  const [search, setSearch] = useState('');
  const { value, error } = useLoaded(offers, [], false);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = (value ?? []).filter(({ title, about, kind }) =>
    words.every((word) => `${title} ${about} ${kind}`.toLowerCase().includes(word)),
  );
  return (
    <>
      <Heading>New connection</Heading>
      <p>What should be read?</p>
      <form role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          <span>Search</span>
          <input type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
      </form>
      <p role="status" class="empty">
        {value === undefined ? '' : `${count(found.length)} of ${count(value.length)}`}
      </p>
      {value === undefined ? (
        <Loading error={error} what="the catalogue" />
      ) : found.length === 0 ? (
        <p class="empty">
          Nothing is called like that. A manifest becomes a connector once it lies in manifests_dir of headrace.yaml.
        </p>
      ) : (
        <ul class="cards">
          {found.slice(0, SHOWN).map((offer) => (
            <li key={offer.href ?? offer.title}>
              {offer.href === undefined ? <b>{offer.title}</b> : <a href={offer.href}>{offer.title}</a>}
              <small class="kind">{offer.kind}</small>
              <p>{offer.about}</p>
            </li>
          ))}
        </ul>
      )}
      {found.length > SHOWN && <p class="empty">{count(found.length - SHOWN)} more: search for one of them.</p>}
    </>
  );
}

/** Connectors, then definitions by name. One that reads by definitions stands for itself only where there are none. */
async function offers(): Promise<Offer[]> {
  const [{ items: connectors }, { items: definitions }] = await Promise.all([
    client.listConnectors(),
    client.listDefinitions(),
  ]);
  return [
    ...connectors
      .filter(
        ({ name, definition }) => !definition?.setting || !definitions.some(({ connector }) => connector === name),
      )
      .map(({ name, title, about, kind, storable, definition }) => ({
        title,
        about: definition?.setting
          ? `${about} There is none in manifests_dir yet.`
          : storable
            ? about
            : `${about} It is written in headrace.yaml.`,
        kind,
        href: storable && !definition?.setting ? `#/new/${encodeURIComponent(name)}` : undefined,
      })),
    ...definitions.map(({ name, connector }) => ({
      title: labelOf(name.replace(/^source-/, ''), {}),
      about: `Read as the definition ${name} says.`,
      kind: connector,
      href: `#/new/${encodeURIComponent(connector)}/${encodeURIComponent(name)}`,
    })),
  ];
}
