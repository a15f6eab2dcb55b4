/** Pin to…: which server, one session or all of the client, and what will happen. */
import { useState } from 'preact/hooks';
import type { ErrorView, ServerView, SessionsView } from '../../src/client/types.ts';
import { clientAddress } from '../../src/web/client-search.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Field } from '../parts/field.tsx';
import { Problem } from '../parts/problem.tsx';
import { api, endedSignIn, errorView } from '../state/api.ts';
import { status } from '../state/live.ts';
import { toast } from '../state/toasts.ts';

type Session = SessionsView['sessions'][number];

export function PinDialog({ session, onClose }: { readonly session: Session; readonly onClose: (pinned: boolean) => void }) {
  const { director, client, server: from } = session;
  const servers = status.value?.directors.find(({ name }) => name === director)?.servers ?? [];
  const address = clientAddress(client);
  const [to, setTo] = useState(() => servers.find((server) => server.name !== from && isUsable(server))?.name ?? '');
  const [whole, setWhole] = useState(false);
  const [error, setError] = useState<ErrorView | null>(null);
  const [busy, setBusy] = useState(false);
  const who = whole ? address : client;
  const pin = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const count = await api.pin({ client: who, director, server: to });
      const back = async (): Promise<void> => { await api.pin({ client, director, server: from }).catch(() => toast({ kind: 'bad', text: `${client} could not be sent back to ${from}.` })); };
      toast({ kind: 'good', text: `${count} ${count === 1 ? 'session' : 'sessions'} of ${who} with ${to} now.`, ...(whole ? {} : { action: { label: `Back to ${from}`, run: () => void back() } }) });
      onClose(true);
    } catch (problem) {
      if (!endedSignIn(problem)) setError(errorView(problem));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Pin ${client}`} size="narrow" onClose={() => onClose(false)} footer={<>
      <button type="button" class="button" onClick={() => onClose(false)}>Cancel</button>
      <button type="button" class="button primary" disabled={busy || to === ''} onClick={() => void pin()}>{to === '' ? 'Pin' : `Pin to ${to}`}</button>
    </>}>
      <Field label={`Server of ${director}`} note={to === '' ? 'no other server of it takes sessions' : undefined}>
        <select class="input mono" value={to} onChange={(e) => setTo(e.currentTarget.value)}>
          {to === '' && <option value="">none</option>}
          {servers.map((server) => <option key={`${server.name} ${server.address}`} value={server.name} disabled={!isUsable(server) || (server.name === from && !whole)}>{server.name} · {server.address} · {server.state}{server.name === from ? ' · has it now' : ''}</option>)}
        </select>
      </Field>
      <label class="check"><input type="checkbox" checked={whole} onChange={(e) => setWhole(e.currentTarget.checked)} />All sessions of {address} with {director}</label>
      <p>From its next datagram on, {whole ? `everything ${address} has open with ${director}` : 'this session'} goes to {to === '' ? 'that server' : <strong>{to}</strong>}, and {from} sees no more of it: what only {from} knows of this client is lost to it. {whole ? 'They stay' : 'It stays'} there until {whole ? 'they end' : 'it ends'}, or the server goes.</p>
      {error !== null && <Problem error={error} />}
    </Dialog>
  );
}

function isUsable({ state }: ServerView): boolean {
  return state !== 'down' && state !== 'disabled';
}
