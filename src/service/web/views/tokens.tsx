/** Who may use the service. */
import { useState } from 'preact/hooks';
import { useLoaded } from '../live';
import { Action, errorText, Field, Heading, Loading, Table } from '../parts';
import { client, type Role } from '../session';
import { ago, clockText } from '../text';

const ROLES: [Role, string][] = [
  ['read', 'read: look at everything'],
  ['operate', 'operate: also run, pause, edit limits'],
  ['admin', 'admin: also connections and tokens'],
];

export function Tokens() {
  const { value, error, reload } = useLoaded(() => client.listTokens(), [], false);
  return (
    <>
      <Heading>Tokens</Heading>
      <MakeToken reload={reload} />
      {value === undefined ? (
        <Loading error={error} what="tokens" />
      ) : (
        <Table
          caption="Tokens"
          head={['Name', 'Role', 'Made', 'Last used', 'Actions']}
          empty="No tokens yet."
          rows={value.items.map((each) => ({
            key: each.id,
            cells: [
              each.name,
              each.role,
              clockText(each.created_at),
              each.last_used_at === null ? 'never' : ago(each.last_used_at),
              <Action
                confirm={`Revoke the token of ${each.name}? It stops working at once.`}
                work={async () => {
                  await client.revokeToken(each.id);
                  reload();
                }}
              >
                Revoke<span class="hidden"> token of {each.name}</span>
              </Action>,
            ],
          }))}
        />
      )}
    </>
  );
}

function MakeToken({ reload }: { reload: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('read');
  const [made, setMade] = useState<{ token?: string; failure?: string }>({});
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const { token } = await client.createToken({ name, role });
      setMade({ token });
      setName('');
      reload();
    } catch (failure) {
      setMade({ failure: errorText(failure) });
    }
  };
  return (
    <>
      <form class="row" onSubmit={(event) => void submit(event)}>
        <Field label="For whom">
          <input required maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </Field>
        <Field label="Role">
          <select value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
            {ROLES.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </Field>
        <button class="strong">Make a token</button>
      </form>
      <p role="status">
        {made.token !== undefined && (
          <>
            Keep it, it is not shown again: <code class="token">{made.token}</code>
          </>
        )}
        {made.failure !== undefined && <span class="failure">{made.failure}</span>}
      </p>
    </>
  );
}
