/** Who is told when something goes wrong, and what was told. */
import { useState } from 'preact/hooks';
import type { Alert } from '../../client/index.js';
import { useLoaded } from '../live';
import { Action, Heading, Loading, More, State, Table } from '../parts';
import { client, may } from '../session';
import { ago, clockText, whenText } from '../text';

const PAGE = 50;

export function Alerts() {
  const [shown, setShown] = useState(PAGE);
  const { value, error, isBusy, reload } = useLoaded(() => client.listAlerts({ limit: Math.min(500, shown) }), [shown]);
  return (
    <>
      <Heading>Alerts</Heading>
      <p>
        Webhooks are told when a connection fails, is older than its <code>fresh_within</code>, or is not proven, and
        when it has recovered. They are named under <code>alerts</code> in headrace.yaml, for all connections or for
        one, and on the form of a connection that was made here.
      </p>
      {value === undefined ? (
        <Loading error={error} what="alerts" />
      ) : (
        <>
          <h2>Who is told</h2>
          <Table
            caption="Who is told"
            head={['Where', 'Shape', 'Of', 'When']}
            empty="Nobody yet."
            rows={value.targets.map((target, i) => ({
              key: i,
              cells: [target.shown, target.format, target.connection ?? 'all connections', target.on.join(', ')],
            }))}
          />
          {may('operate') && value.targets.length > 0 && (
            <p>
              <Action
                work={async () => {
                  const { targets } = await client.testAlerts();
                  reload();
                  return `${targets} tried; see below.`;
                }}
              >
                Send a test
              </Action>
            </p>
          )}
          <h2>What was told</h2>
          <Table
            caption="What was told"
            isBusy={isBusy}
            head={['What', 'Connection', 'Message', 'When', 'Where', 'Delivered']}
            empty="Nothing has changed that somebody should be told."
            rows={value.items.map((each) => ({
              key: each.id,
              cells: [
                <State of={each.kind} />,
                each.connection === '' ? (
                  ''
                ) : (
                  <a href={`#/connections/${encodeURIComponent(each.connection)}`}>{each.connection}</a>
                ),
                each.message,
                <span title={clockText(each.made_at)}>{ago(each.made_at)}</span>,
                each.shown,
                deliveryText(each),
              ],
            }))}
          />
          <More next={value.next} onMore={() => setShown(shown + PAGE)} />
        </>
      )}
    </>
  );
}

function deliveryText({ delivered_at: delivered, next_at: next, attempts, error }: Alert): string {
  if (delivered !== null) return attempts > 1 ? `yes, at try ${attempts}` : 'yes';
  if (error === null) return 'not yet';
  return next === null ? `given up after ${attempts}: ${error}` : `${error}; tried again ${whenText(next)}`;
}
