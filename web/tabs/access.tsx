/** The password, the end of all sign-ins, and tokens. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ErrorView, Role, TokenView } from '../../src/client/types.ts';
import { ask } from '../parts/ask.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { Plus } from '../parts/icons.tsx';
import { Problem } from '../parts/problem.tsx';
import { api, attempt, errorView, isAdmin, me } from '../state/api.ts';
import { toast } from '../state/toasts.ts';
import { Field, textIn } from '../parts/field.tsx';
import { timeText } from '../parts/time.ts';

const DAY_MS = 86_400_000;
const LIVES = [['30', '30 days'], ['365', 'a year'], ['', 'no end']] as const;

export function Access() {
  return <>
    <section class="panel" aria-label="Sign-in">
      <header><h2>Sign-in</h2><span class="muted grow">{me.value?.who}, {me.value?.role}{me.value?.expiresAtMs != null && <>, until {timeText(me.value.expiresAtMs)} at the latest</>}</span><button type="button" class="button" onClick={() => ask({
        title: 'Sign out everywhere', button: 'Sign out everywhere', text: `Every sign-in of ${me.value?.who ?? 'this user'} ends, this one too. Tokens stay.`,
        run: async () => { if ((await attempt(async () => { await api.signOutEverywhere(); return true; })) === true) me.value = null; },
      })}>Sign out everywhere</button></header>
      {isAdmin() && <Password />}
    </section>
    {isAdmin() && <Tokens />}
  </>;
}

function Tokens() {
  const [list, setList] = useState<readonly TokenView[] | null>(null);
  const [making, setMaking] = useState(false);
  const load = (): void => void attempt(() => api.tokens()).then((found) => { if (found !== undefined) setList(found); });
  useEffect(load, []);
  const revoke = ({ id, name }: TokenView): void => ask({
    title: `Revoke token ${name}`, button: 'Revoke', typed: name, text: 'Whatever uses this token is refused from now on. This cannot be undone.',
    run: async () => {
      if ((await attempt(async () => { await api.revokeToken(id); return true; })) === true) toast({ kind: 'good', text: `Token ${name} is revoked.` });
      load();
    },
  });
  return (
    <section class="panel" aria-label="Tokens">
      <header><h2 class="grow">Tokens</h2><button type="button" class="button" onClick={() => setMaking(true)}><Plus />New token</button></header>
      {list === null ? <p class="loading">Reading the tokens…</p> : list.length === 0 ? <p class="pad muted">No tokens. Scripts and monitors sign in with one.</p> : (
        <div class="table-box" tabIndex={0} role="region" aria-label="Tokens, a line each">
          <table class="stacked">
            <thead><tr><th>Name</th><th>Role</th><th>Made</th><th>Ends</th><th>Last used</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
            <tbody>{list.map((token) => (
              <tr key={token.id}>
                <td><strong>{token.name}</strong></td><td>{token.role}</td><td class="nowrap full" data-label="Made">{timeText(token.createdAtMs)}</td>
                <td class="nowrap full" data-label="Ends">{token.expiresAtMs === null ? 'never' : timeText(token.expiresAtMs)}</td><td class="nowrap full" data-label="Last used">{token.lastUsedAtMs === null ? 'never' : timeText(token.lastUsedAtMs)}</td>
                <td><div class="row-actions"><button type="button" class="button small" aria-label={`Revoke ${token.name}`} onClick={() => revoke(token)}>Revoke</button></div></td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
      {making && <NewToken onClose={() => { setMaking(false); load(); }} />}
    </section>
  );
}

function NewToken({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [days, setDays] = useState<string>('365');
  const [made, setMade] = useState<string | null>(null);
  const [error, setError] = useState<ErrorView | null>(null);
  const make = async (): Promise<void> => {
    try {
      setMade((await api.createToken({ name: name.trim(), role, ...(days === '' ? {} : { expiresInMs: Number(days) * DAY_MS }) })).token);
    } catch (problem) {
      setError(errorView(problem));
    }
  };
  return (
    <Dialog title="New token" size="narrow" onClose={onClose} footer={made === null
      ? <><button type="button" class="button" onClick={onClose}>Cancel</button><button type="button" class="button primary" disabled={name.trim() === ''} onClick={() => void make()}>Make it</button></>
      : <button type="button" class="button primary" onClick={onClose}>I have copied it</button>}>
      {made === null ? <>
        <Field label="Name" note="What uses it: the log shows this name."><input class="input mono" value={name} placeholder="prometheus" spellcheck={false} autocomplete="off" onInput={(e) => setName(e.currentTarget.value)} /></Field>
        <div class="form-grid">
          <Field label="Role"><select class="input" value={role} onChange={(e) => setRole(e.currentTarget.value === 'admin' ? 'admin' : 'viewer')}><option>viewer</option><option>admin</option></select></Field>
          <Field label="Ends after"><select class="input" value={days} onChange={(e) => setDays(e.currentTarget.value)}>{LIVES.map(([value, label]) => <option key={value} value={value}>{label}</option>)}</select></Field>
        </div>
        {error !== null && <Problem error={error} />}
      </> : <>
        <p>This is the only time it is shown.</p>
        <input class="input mono" readOnly value={made} aria-label="The token" onFocus={(e) => e.currentTarget.select()} />
        <button type="button" class="button" onClick={() => void navigator.clipboard.writeText(made).then(() => toast({ kind: 'good', text: 'Token copied.' }))}>Copy</button>
      </>}
    </Dialog>
  );
}

function Password() {
  const form = useRef<HTMLFormElement>(null);
  const [error, setError] = useState<ErrorView | null>(null);
  const submit = async (): Promise<void> => {
    const element = form.current;
    if (element === null) return;
    setError(null);
    try {
      await api.passwd({ oldPassword: textIn(element, 'old'), newPassword: textIn(element, 'new') });
      element.reset();
      toast({ kind: 'good', text: 'The password is changed.', detail: 'Other sign-ins of this user have ended.' });
    } catch (problem) {
      setError(errorView(problem));
    }
  };
  return (
    <form ref={form} class="pad password" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <input type="text" name="user" autocomplete="username" value="admin" hidden readOnly />
      <Field label="Old password"><input class="input" type="password" name="old" autocomplete="current-password" required maxLength={256} /></Field>
      <Field label="New password" note="12 characters or more"><input class="input" type="password" name="new" autocomplete="new-password" required minLength={12} maxLength={256} /></Field>
      <button class="button">Change password</button>
      {error !== null && <Problem error={error} />}
    </form>
  );
}
