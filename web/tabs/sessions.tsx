/** Sessions: who talks to which server, found as one types; pinned, ended, explained from the menu of each. */
import { useEffect, useState } from 'preact/hooks';
import type { ErrorView, SessionsQuery, SessionsView } from '../../src/client/types.ts';
import { clientState } from '../../src/web/client-search.ts';
import { countText, secondsText } from '../../src/web/numbers.ts';
import { ask } from '../parts/ask.tsx';
import { Field } from '../parts/field.tsx';
import { Menu } from '../parts/menu.tsx';
import { Problem } from '../parts/problem.tsx';
import { api, attempt, endedSignIn, errorView, isAdmin } from '../state/api.ts';
import { status } from '../state/live.ts';
import { route } from '../state/route.ts';
import { toast } from '../state/toasts.ts';
import { Explain, explainClient } from './explain.tsx';
import { PinDialog } from './pin-dialog.tsx';

const PAGE = 100;
const REFRESH_MS = 2000;
const TYPING_MS = 250;

type Session = SessionsView['sessions'][number];
interface Search {
  readonly client: string;
  readonly server: string;
  readonly director: string;
}

export function Sessions() {
  const [search, setSearch] = useState<Search>({ client: route.peek().query['client'] ?? '', server: '', director: route.peek().query['director'] ?? '' });
  const [view, setView] = useState<SessionsView | null>(null);
  const [more, setMore] = useState<readonly Session[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<ErrorView | null>(null);
  const [again, setAgain] = useState(0);
  const [pinning, setPinning] = useState<Session | null>(null);
  const set = (part: Partial<Search>): void => setSearch({ ...search, ...part });
  const query = queryOf(search);
  const isPartial = clientState(search.client) === 'partial';

  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    setMore([]);
    if (query === null) return undefined;
    const read = async (): Promise<void> => {
      try {
        const found = await api.sessions({ ...query, limit: PAGE });
        if (gone) return;
        setView(found);
        setError(null);
      } catch (problem) {
        if (gone || endedSignIn(problem)) return;
        setError(errorView(problem));
      }
      timer = setTimeout(() => void read(), REFRESH_MS);
    };
    timer = setTimeout(() => void read(), view === null || again > 0 ? 0 : TYPING_MS);
    return () => { gone = true; clearTimeout(timer); };
  }, [search, again]);

  const loadMore = async (): Promise<void> => {
    const cursor = more.length === 0 ? view?.next : next;
    if (cursor == null || query === null) return;
    const found = await attempt(() => api.sessions({ ...query, cursor, limit: PAGE }));
    if (found === undefined) return;
    setMore([...more, ...found.sessions]);
    setNext(found.next);
  };
  const rows = [...(view?.sessions ?? []), ...more];
  const cursor = more.length === 0 ? view?.next ?? null : next;
  const directors = status.value?.directors ?? [];
  const servers = [...new Set(directors.filter(({ name }) => search.director === '' || name === search.director).flatMap((one) => one.servers.map(({ name }) => name)))];
  const isNarrowed = query !== null && Object.keys(query).length > 0;
  const readAgain = (): void => setAgain((count) => count + 1);
  return (
    <>
      <div class="page-head"><h1 class="grow">Sessions</h1>{isAdmin() && <button type="button" class="button danger" disabled={view === null || rows.length === 0 || query === null} onClick={() => query !== null && purge(query, countOf(rows.length, cursor, isNarrowed, view?.total ?? 0), readAgain)}>Purge…</button>}</div>
      <section class="panel" aria-label="Sessions">
        <header class="search">
          <Field label="Client" note={isPartial ? 'goes on to a whole address' : undefined}><input class="input mono" type="search" placeholder="192.0.2.7 or 192.0.2.7:5000" value={search.client} spellcheck={false} onInput={(e) => set({ client: e.currentTarget.value })} /></Field>
          <Field label="Server"><input class="input mono" type="search" placeholder="its name" list="session-servers" value={search.server} spellcheck={false} onInput={(e) => set({ server: e.currentTarget.value })} /></Field>
          <datalist id="session-servers">{servers.slice(0, 200).map((name) => <option key={name} value={name} />)}</datalist>
          <Field label="Director"><select class="input" value={search.director} onChange={(e) => set({ director: e.currentTarget.value })}><option value="">all</option>{directors.map(({ name }) => <option key={name}>{name}</option>)}</select></Field>
          <span class="muted count" role="status">{view === null ? '' : countOf(rows.length, cursor, isNarrowed, view.total).label}</span>
        </header>
        {error !== null && <div class="pad"><Problem error={error} /></div>}
        {view === null ? error === null && <p class="loading" role="status">Reading the sessions…</p> : rows.length === 0 ? (
          <div class="empty"><strong>No sessions</strong><p>{isNarrowed ? 'None match this search.' : 'Nobody has sent anything lately. A session begins with the first datagram of a client.'}</p></div>
        ) : (
          <div class="table-box" tabIndex={0} role="region" aria-label="Sessions, a line each">
            <table class="stacked tight">
              <thead><tr><th>Client</th><th>Director</th><th>Server</th><th class="num">Age</th><th class="num">Idle</th><th class="num">Ends in</th><th class="num">Packets <span class="sub">in, out</span></th><th><span class="visually-hidden">Acts</span></th></tr></thead>
              <tbody>{rows.map((one) => <Row key={`${one.director} ${one.client} ${one.vip}`} session={one} onPin={() => setPinning(one)} onChanged={readAgain} />)}</tbody>
            </table>
          </div>
        )}
        {cursor !== null && <footer><button type="button" class="button small" onClick={() => void loadMore()}>More</button></footer>}
      </section>
      {(view !== null || error !== null) && <Explain />}
      {pinning !== null && <PinDialog session={pinning} onClose={(pinned) => { setPinning(null); if (pinned) readAgain(); }} />}
    </>
  );
}

function Row({ session, onPin, onChanged }: { readonly session: Session; readonly onPin: () => void; readonly onChanged: () => void }) {
  const { client, director, vip, server, serverAddress, ageMs, idleMs, expiresInMs, outstanding, packetsIn, packetsOut } = session;
  const end = (): void => ask({
    title: `Purge ${client}`, button: 'Purge', text: `The session of ${client} with ${server} of ${director} ends now. The next datagram of this client is balanced anew and may reach another server. This cannot be undone.`,
    run: async () => {
      const count = await attempt(() => api.purge({ client, director }));
      if (count !== undefined) toast({ kind: 'good', text: `${count} ${count === 1 ? 'session' : 'sessions'} ended.` });
      onChanged();
    },
  });
  return (
    <tr>
      <td class="mono">{client}</td><td>{director} <span class="sub mono">{vip}</span></td><td data-label="Server">{server} <span class="sub mono">{serverAddress}</span></td>
      <td class="num" data-label="Age">{secondsText(ageMs)}</td><td class="num" data-label="Idle">{secondsText(idleMs)}{outstanding > 0 && <span class="sub">awaits {outstanding}</span>}</td><td class="num" data-label="Ends in">{secondsText(expiresInMs)}</td>
      <td class="num" data-label="Packets in, out">{countText(packetsIn)}<span class="muted">, {countText(packetsOut)}</span></td>
      <td><div class="row-actions"><Menu label={`Acts on the session of ${client}`} items={[
        ...(isAdmin() ? [{ label: 'Pin to…', run: onPin }] : []),
        { label: 'Explain', run: () => explainClient(client, vip) },
        ...(isAdmin() ? [{ label: 'Purge…', run: end, danger: true }] : []),
      ]} /></div></td>
    </tr>
  );
}

interface Count {
  /** `12 of 40 sessions`. */
  readonly label: string;
  /** How many a purge would end, in words: the daemon counts all sessions, not those that match. */
  readonly words: string;
  readonly isOne: boolean;
}

function countOf(shown: number, cursor: string | null, isNarrowed: boolean, total: number): Count {
  const all = `${countText(total)} ${total === 1 ? 'session' : 'sessions'}`;
  if (!isNarrowed) return { label: all, words: all, isOne: total === 1 };
  const found = `${shown}${cursor === null ? '' : ' or more'}`;
  return { label: `${found} of ${all}`, words: `${found} ${shown === 1 && cursor === null ? 'session' : 'sessions'}`, isOne: shown === 1 && cursor === null };
}

/** Returns what to ask for; null while a client is being typed. */
function queryOf({ client, server, director }: Search): Pick<SessionsQuery, 'client' | 'server' | 'director'> | null {
  if (clientState(client) === 'partial') return null;
  return { ...(client.trim() === '' ? {} : { client: client.trim() }), ...(server.trim() === '' ? {} : { server: server.trim() }), ...(director === '' ? {} : { director }) };
}

function purge(query: Pick<SessionsQuery, 'client' | 'server' | 'director'>, count: Count, onDone: () => void): void {
  const { director, server, client } = query;
  const narrow = [client === undefined ? '' : `of client ${client}`, server === undefined ? '' : `on server ${server}`, director === undefined ? '' : `of director ${director}`].filter(Boolean).join(' ');
  ask({
    title: 'Purge sessions', button: `Purge ${count.words}`, ...(narrow === '' ? { typed: 'all' } : {}),
    text: `${count.words} ${narrow === '' ? '– every one –' : narrow} ${count.isOne ? 'ends' : 'end'} now. The next datagram of each client is balanced anew and may reach another server. This cannot be undone.`,
    run: async () => {
      const ended = await attempt(() => api.purge(query));
      if (ended !== undefined) toast({ kind: 'good', text: `${ended} ${ended === 1 ? 'session' : 'sessions'} ended.` });
      onDone();
    },
  });
}
