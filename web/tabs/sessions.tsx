/** Sessions: who talks to which server, the end of sessions by choice, and where a client would go. */
import { useEffect, useState } from 'preact/hooks';
import type { ErrorView, ExplainView, SessionsQuery, SessionsView } from '../../src/client/types.ts';
import { countText, spanText } from '../../src/web/numbers.ts';
import { ask } from '../parts/ask.tsx';
import { Problem } from '../parts/problem.tsx';
import { State } from '../parts/state.tsx';
import { api, attempt, endedSignIn, errorView, isAdmin } from '../state/api.ts';
import { status } from '../state/live.ts';
import { route } from '../state/route.ts';
import { toast } from '../state/toasts.ts';
import { Field } from '../parts/field.tsx';

const PAGE = 100;
const REFRESH_MS = 2000;
const TYPING_MS = 250;

interface Search {
  readonly client: string;
  readonly server: string;
  readonly director: string;
}

export function Sessions() {
  const [search, setSearch] = useState<Search>({ client: '', server: '', director: route.peek().query['director'] ?? '' });
  const [view, setView] = useState<SessionsView | null>(null);
  const [more, setMore] = useState<SessionsView['sessions']>([]);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<ErrorView | null>(null);
  const set = (part: Partial<Search>): void => setSearch({ ...search, ...part });

  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    setMore([]);
    const read = async (): Promise<void> => {
      try {
        const found = await api.sessions({ ...queryOf(search), limit: PAGE });
        if (gone) return;
        setView(found);
        setError(null);
      } catch (problem) {
        if (gone || endedSignIn(problem)) return;
        setError(errorView(problem));
      }
      timer = setTimeout(() => void read(), REFRESH_MS);
    };
    timer = setTimeout(() => void read(), view === null ? 0 : TYPING_MS);
    return () => { gone = true; clearTimeout(timer); };
  }, [search]);

  const loadMore = async (): Promise<void> => {
    const cursor = more.length === 0 ? view?.next : next;
    if (cursor == null) return;
    const found = await attempt(() => api.sessions({ ...queryOf(search), cursor, limit: PAGE }));
    if (found === undefined) return;
    setMore([...more, ...found.sessions]);
    setNext(found.next);
  };
  const rows = [...(view?.sessions ?? []), ...more];
  const cursor = more.length === 0 ? view?.next ?? null : next;
  const directors = status.value?.directors ?? [];
  return (
    <>
      <div class="page-head"><h1 class="grow">Sessions</h1>{isAdmin() && <button type="button" class="button danger" disabled={view === null || view.total === 0} onClick={() => purge(search, view?.total ?? 0)}>Purge…</button>}</div>
      <section class="panel" aria-label="Sessions">
        <header class="search">
          <Field label="Client"><input class="input mono" type="search" placeholder="192.0.2.7 or 192.0.2.7:5000" value={search.client} spellcheck={false} onInput={(e) => set({ client: e.currentTarget.value })} /></Field>
          <Field label="Server"><input class="input mono" type="search" placeholder="name" value={search.server} spellcheck={false} onInput={(e) => set({ server: e.currentTarget.value })} /></Field>
          <Field label="Director"><select class="input" value={search.director} onChange={(e) => set({ director: e.currentTarget.value })}><option value="">all</option>{directors.map(({ name }) => <option key={name}>{name}</option>)}</select></Field>
          <span class="muted count" role="status">{view === null ? '' : `${countText(view.total)} ${view.total === 1 ? 'session' : 'sessions'}`}</span>
        </header>
        {error !== null && <div class="pad"><Problem error={error} /></div>}
        {view === null ? error === null && <p class="loading">Reading the sessions…</p> : rows.length === 0 ? (
          <div class="empty"><strong>No sessions</strong><p>{search.client + search.server + search.director === '' ? 'Nobody has sent anything lately. A session begins with the first datagram of a client.' : 'None match this search.'}</p></div>
        ) : (
          <div class="table-box" tabIndex={0} role="region" aria-label="Sessions, a line each">
            <table>
              <thead><tr><th>Client</th><th>Director</th><th>Server</th><th class="num">Age</th><th class="num">Idle</th><th class="num">Ends in</th><th class="num">Packets in, out</th></tr></thead>
              <tbody>{rows.map((one) => (
                <tr key={`${one.director} ${one.client} ${one.vip}`}>
                  <td class="mono">{one.client}</td><td>{one.director}<span class="sub mono">{one.vip}</span></td><td>{one.server}<span class="sub mono">{one.serverAddress}</span></td>
                  <td class="num">{spanText(one.ageMs)}</td><td class="num">{spanText(one.idleMs)}</td><td class="num">{spanText(one.expiresInMs)}</td>
                  <td class="num">{countText(one.packetsIn)}<span class="muted">, {countText(one.packetsOut)}</span></td>
                </tr>
              ))}</tbody>
            </table>
          </div>
        )}
        {cursor !== null && <footer><button type="button" class="button small" onClick={() => void loadMore()}>More</button></footer>}
      </section>
      <Explain />
    </>
  );
}

function queryOf({ client, server, director }: Search): SessionsQuery {
  return { ...(client.trim() === '' ? {} : { client: client.trim() }), ...(server.trim() === '' ? {} : { server: server.trim() }), ...(director === '' ? {} : { director }) };
}

function purge(search: Search, total: number): void {
  const { director, server, client } = queryOf(search);
  const query = { ...(director === undefined ? {} : { director }), ...(server === undefined ? {} : { server }), ...(client === undefined ? {} : { client }) };
  const narrow = [client === undefined ? '' : `of client ${client}`, server === undefined ? '' : `on server ${server}`, director === undefined ? '' : `of director ${director}`].filter(Boolean).join(' ');
  ask({
    title: 'Purge sessions', button: `Purge ${total}`, ...(narrow === '' ? { typed: 'all' } : {}),
    text: `${total} ${total === 1 ? 'session' : 'sessions'} ${narrow === '' ? '– every one –' : narrow} ${total === 1 ? 'ends' : 'end'} now. The next datagram of each client is balanced anew and may reach another server. This cannot be undone.`,
    run: async () => {
      const count = await attempt(() => api.purge(query));
      if (count !== undefined) toast({ kind: 'good', text: `${count} ${count === 1 ? 'session' : 'sessions'} ended.` });
    },
  });
}

function Explain() {
  const directors = (status.value?.directors ?? []).filter(({ vip }) => vip !== '-');
  const [client, setClient] = useState('');
  const [vip, setVip] = useState('');
  const [answer, setAnswer] = useState<ExplainView | null>(null);
  const [error, setError] = useState<ErrorView | null>(null);
  const first = directors[0]?.vip.replace(/-\d+$/, '') ?? '';
  const submit = async (): Promise<void> => {
    setError(null);
    setAnswer(null);
    try {
      const to = vip === '' ? first : vip;
      setAnswer(await api.explain({ client: client.trim(), vip: to, protocol: directors.find((one) => one.vip === to)?.protocol.toLowerCase() === 'tcp' ? 'tcp' : 'udp' }));
    } catch (problem) {
      if (!endedSignIn(problem)) setError(errorView(problem));
    }
  };
  return (
    <section class="panel" aria-label="Where would this client go">
      <header><h2>Where would this client go, and why</h2></header>
      <form class="search pad" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
        <Field label="Client address and port"><input class="input mono" required value={client} placeholder="192.0.2.7:5000" spellcheck={false} onInput={(e) => setClient(e.currentTarget.value)} /></Field>
        <Field label="Sends to"><input class="input mono" value={vip} placeholder={first} list="explain-vips" spellcheck={false} onInput={(e) => setVip(e.currentTarget.value)} /></Field>
        <datalist id="explain-vips">{directors.slice(0, 100).map((one) => <option key={one.name} value={one.vip}>{one.name}</option>)}</datalist>
        <button class="button">Explain</button>
      </form>
      {error !== null && <div class="pad"><Problem error={error} /></div>}
      {answer !== null && <div role="status">
        <p class="pad"><strong>{answer.server === null ? 'Nowhere' : `To ${answer.server}`}{answer.director !== null && ` of ${answer.director}`}.</strong> {answer.why}</p>
        {answer.candidates.length > 0 && <div class="table-box" tabIndex={0} role="region" aria-label="Candidates"><table>
          <thead><tr><th>Server</th><th>State</th><th class="num">Weight</th><th class="num">Sessions</th><th>Note</th></tr></thead>
          <tbody>{answer.candidates.map((one) => <tr key={one.server}><td><strong>{one.server}</strong></td><td><State word={one.state} /></td><td class="num">{one.weight}</td><td class="num">{countText(one.sessions)}</td><td class="reason">{one.note}</td></tr>)}</tbody>
        </table></div>}
      </div>}
    </section>
  );
}
