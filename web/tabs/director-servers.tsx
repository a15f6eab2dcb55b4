/** The servers of a director: state and why, what each gets against its weight, how fast it answers, and what an operator can do to it. */
import { useState } from 'preact/hooks';
import type { DirectorView, ServerView } from '../../src/client/types.ts';
import { countText, msText, shareText, spanText } from '../../src/web/numbers.ts';
import { sharesOf } from '../../src/web/share.ts';
import { ask } from '../parts/ask.tsx';
import { State } from '../parts/state.tsx';
import { api, attempt, isAdmin } from '../state/api.ts';
import { refreshStatus, statusAtMs } from '../state/live.ts';
import { toast } from '../state/toasts.ts';

const ROWS = 200;
/** With fewer a filter is in the way. */
const FILTER_FROM = 12;

export function DirectorServers({ director }: { readonly director: DirectorView }) {
  const [all, setAll] = useState(false);
  const [filter, setFilter] = useState('');
  const admin = isAdmin();
  const shares = sharesOf(director.servers);
  const wanted = filter.trim().toLowerCase();
  const found = director.servers.map((server, i) => ({ server, part: shares.parts[i] ?? null, due: shares.due[i] ?? 0 }))
    .filter(({ server: { name, address, state, reason } }) => wanted === '' || `${name} ${address} ${state} ${reason}`.toLowerCase().includes(wanted));
  const shown = all ? found : found.slice(0, ROWS);
  const answers = director.responses !== null;
  return (
    <section class="panel" aria-label="Servers">
      <header><h2 class="grow">Servers <span class="muted">{director.servers.length}</span></h2>
        {director.servers.length > FILTER_FROM && <input class="input filter" type="search" aria-label="Filter servers" placeholder="Name, address, state or reason" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />}
      </header>
      {director.servers.length === 0 ? <div class="empty"><strong>No servers</strong><p>Every datagram to {director.vip} is dropped. Servers stand as <code>server</code> lines below the director.</p>{admin && <a class="button" href="#/layer4">Write them in LB Layer4</a>}</div> : (
        <div class="table-box" tabIndex={0} role="region" aria-label="Servers, a line each">
          <table class="stacked">
            <thead><tr>
              <th>Server</th><th>State</th><th>Why, and since when</th><th class="num">Weight</th><th class="num">Sessions</th>
              <th class="num" title={shares.meaning}>Share{shares.of !== '' && <span class="sub"> of {shares.of}</span>}</th>
              {answers && <><th class="num" title="Half of the replies of the last 10 to 20 seconds came sooner">p50</th><th class="num" title="Nine tenths came sooner">p90</th><th class="num" title="99 of 100 came sooner">p99</th></>}
              <th class="num">Packets <span class="sub">in, out</span></th>{admin && <th><span class="visually-hidden">Change</span></th>}
            </tr></thead>
            <tbody>{shown.map(({ server, part, due }) => (
              <tr key={`${server.name} ${server.address}`}>
                <td><strong>{server.name}</strong> <span class="sub mono">{server.address}</span></td>
                <td><State word={server.state} />{(server.override !== null || server.sorry) && <span class="sub">{server.override === null ? 'sorry server' : `by an operator: ${server.override}`}</span>}</td>
                <td class="reason">{server.reason}{server.sinceMs > 0 && <> · {spanText(statusAtMs.value - server.sinceMs)}</>}</td>
                <td class="num" data-label="Weight">{server.weight}{server.weight !== server.configuredWeight && <span class="muted"> of {server.configuredWeight}</span>}{server.weightPercent < 100 && <span class="sub" title="What checks, a slow start and passive health leave it">at {server.weightPercent} %</span>}</td>
                <td class="num" data-label="Sessions">{countText(server.sessions)}</td>
                <td class="num" data-label="Share"><Share part={part} due={due} meaning={shares.meaning} /></td>
                {answers && <><Ms label="p50" ms={server.responses?.p50Ms} /><Ms label="p90" ms={server.responses?.p90Ms} /><Ms label="p99" ms={server.responses?.p99Ms} /></>}
                <td class="num" data-label="Packets in, out">{countText(server.packetsIn)}<span class="muted">, {countText(server.packetsOut)}</span></td>
                {admin && <td><Actions server={server} /></td>}
              </tr>
            ))}</tbody>
          </table>
          {found.length === 0 && <p class="empty">No server matches “{filter}”.</p>}
        </div>
      )}
      {director.servers.length > 0 && <footer>{shown.length < found.length && <button type="button" class="button small" onClick={() => setAll(true)}>Show all {found.length}</button>}<span>The mark on a share's bar is what its weight gives. {shares.meaning}</span></footer>}
    </section>
  );
}

/** A response time in its cell; without replies lately there is none. */
function Ms({ label, ms }: { readonly label: string; readonly ms: number | null | undefined }) {
  return <td class={ms == null ? 'num muted' : 'num'} data-label={label} title={ms == null ? 'No replies in the last seconds' : undefined}>{msText(ms ?? null)}</td>;
}

function Share({ part, due, meaning }: { readonly part: number | null; readonly due: number; readonly meaning: string }) {
  return (
    <span class="share" title={`${meaning} Its weight gives it ${shareText(due, 1)}.`}>
      <span class="bar" aria-hidden="true"><i style={{ width: `${(part ?? 0) * 100}%` }} /><b style={{ left: `calc(${due * 100}% - 1px)` }} /></span>
      <span>{part === null ? '–' : shareText(part, 1)}<span class="visually-hidden"> of {shareText(due, 1)} by weight</span></span>
    </span>
  );
}

function Actions({ server }: { readonly server: ServerView }) {
  const act = async (action: 'drain' | 'disable' | 'enable' | 'reset', told: string): Promise<void> => {
    const view = await attempt(() => api.override(server.director, server.name, action));
    if (view !== undefined) toast({ kind: 'good', text: `${server.name}: ${told}.`, ...(action === 'reset' ? {} : { action: { label: 'Undo', run: () => void act('reset', 'as configured again') } }) });
    await refreshStatus();
  };
  const disable = (): void => ask({
    title: `Disable ${server.name}`, button: 'Disable',
    text: `${server.name} of ${server.director} gets nothing any more. Its ${server.sessions} live ${server.sessions === 1 ? 'session goes' : 'sessions go'} where "on remove" says. Enable brings it back.`,
    run: () => act('disable', 'disabled'),
  });
  const enable = server.override !== null ? () => act('reset', 'as configured again') : server.state === 'disabled' || server.state === 'drain' ? () => act('enable', 'enabled') : null;
  if (enable !== null) return <div class="row-actions"><button type="button" class="button small" aria-label={`Enable ${server.name}`} onClick={() => void enable()}>Enable</button></div>;
  return (
    <div class="row-actions">
      <button type="button" class="button small" aria-label={`Drain ${server.name}`} onClick={() => void act('drain', 'drains, so no new sessions; "on drain" decides about live ones')}>Drain</button>
      <button type="button" class="button small" aria-label={`Disable ${server.name}`} onClick={disable}>Disable</button>
    </div>
  );
}
