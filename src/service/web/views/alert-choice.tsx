/** Who is told of one connection: a webhook each. */
import { Labelled } from '../controls';
import { ALERT_KINDS, type AlertDraft, type Draft } from '../draft';
import { MASK } from '../schema';
import type { FieldFault } from '../schema-form';

/** As many as a connection may have. */
const MOST = 10;

interface Props {
  draft: Draft;
  set: (part: Partial<Draft>) => void;
  fault: FieldFault | undefined;
}

export function AlertChoice({ draft: { alerts }, set, fault }: Props) {
  const change = (at: number, part: Partial<AlertDraft>) =>
    set({ alerts: alerts.map((each, i) => (i === at ? { ...each, ...part } : each)) });
  // A stored address is known by its place: where that changes, it is asked for again.
  const remove = (at: number) =>
    set({
      alerts: alerts.flatMap((each, i) =>
        i === at ? [] : [i > at && each.url === MASK ? { ...each, url: '', again: true } : each],
      ),
    });
  return (
    <>
      {alerts.map((alert, at) => (
        <fieldset key={at}>
          <legend>Alert {at + 1}</legend>
          <Address
            alert={alert}
            fault={fault?.place.startsWith(`alerts.${at}.`) ? fault.text : undefined}
            onInput={(url) => change(at, { url })}
          />
          <Labelled label="Shape" help="json: an object with what happened; slack: a message, as Slack takes it.">
            {(described) => (
              <select
                {...described}
                value={alert.format}
                onChange={(event) => change(at, { format: event.currentTarget.value as AlertDraft['format'] })}
              >
                <option value="json">json</option>
                <option value="slack">slack</option>
              </select>
            )}
          </Labelled>
          <div class="checks">
            {ALERT_KINDS.map((kind) => (
              <label class="check" key={kind}>
                <input
                  type="checkbox"
                  checked={alert.on.includes(kind)}
                  onChange={(event) => {
                    const { checked } = event.currentTarget;
                    change(at, {
                      on: ALERT_KINDS.filter((each) => (each === kind ? checked : alert.on.includes(each))),
                    });
                  }}
                />
                {kind}
              </label>
            ))}
          </div>
          <button type="button" onClick={() => remove(at)}>
            Remove alert {at + 1}
          </button>
        </fieldset>
      ))}
      {alerts.length < MOST && (
        <p>
          <button
            type="button"
            onClick={() => set({ alerts: [...alerts, { url: '', format: 'json', on: [...ALERT_KINDS] }] })}
          >
            Add an alert
          </button>
        </p>
      )}
    </>
  );
}

function Address({
  alert,
  fault,
  onInput,
}: {
  alert: AlertDraft;
  fault: string | undefined;
  onInput: (url: string) => void;
}) {
  return (
    <Labelled
      label="Address that is told"
      required
      fault={fault}
      help={
        alert.again ? 'Type it again: one before it was removed.' : 'A webhook that takes POST; who knows it may write.'
      }
    >
      {(described) => (
        <input
          {...described}
          type="password"
          autocomplete="off"
          required={alert.url !== MASK}
          placeholder={alert.url === MASK ? 'stored; type to replace it' : 'https://…'}
          value={alert.url === MASK ? '' : alert.url}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Labelled>
  );
}
