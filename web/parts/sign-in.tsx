import { useState } from 'preact/hooks';
import type { ErrorView } from '../../src/client/types.ts';
import { api, errorView, me, signedOutBecause } from '../state/api.ts';
import { Logo } from './icons.tsx';
import { Problem } from './problem.tsx';
import { Field, textIn } from './field.tsx';

export function SignIn() {
  const [error, setError] = useState<ErrorView | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (form: HTMLFormElement): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const view = await api.signIn(textIn(form, 'user'), textIn(form, 'password'));
      signedOutBecause.value = null;
      me.value = view;
    } catch (problem) {
      setError(errorView(problem));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <form onSubmit={(event) => { event.preventDefault(); void submit(event.currentTarget); }}>
        <h1 class="brand"><Logo />weir</h1>
        {signedOutBecause.value !== null && error === null && <p class="muted" role="status">{signedOutBecause.value}</p>}
        <Field label="User"><input class="input" name="user" value="admin" autocomplete="username" autocapitalize="off" spellcheck={false} required maxLength={64} /></Field>
        <Field label="Password"><input class="input" name="password" type="password" autocomplete="current-password" required maxLength={256} autofocus /></Field>
        {error !== null && <Problem error={error} />}
        <button class="button primary" disabled={busy}>Sign in</button>
        <p class="muted">The first start of weir prints the password once. <code>weir passwd</code> on the balancer sets a new one.</p>
      </form>
    </main>
  );
}
