/** A token is wanted. */
import { useState } from 'preact/hooks';
import { role, signIn } from '../session';
import { Field, Heading } from '../parts';

export function SignIn() {
  const [token, setToken] = useState('');
  const [said, setSaid] = useState('');
  const submit = async (event: Event) => {
    event.preventDefault();
    await signIn(token.trim());
    if (role.value === null) setSaid('This token is unknown or expired.');
  };
  return (
    <form class="narrow" onSubmit={(event) => void submit(event)}>
      <Heading>Sign in</Heading>
      <Field label="Token" hint="Made with: headrace token create NAME --role read">
        <input
          type="password"
          autocomplete="off"
          required
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
      </Field>
      <p>
        <button class="strong">Sign in</button>
      </p>
      <p role="alert" class="failure">
        {said}
      </p>
    </form>
  );
}
