/** One director: live graphs, its servers with state, reason and share, drops by reason. */
import { useState } from 'preact/hooks';
import type { DirectorView, SampleView, ServerView } from '../../src/client/types.ts';
import { bitRateText, countText, shareText, spanText } from '../../src/web/numbers.ts';
import { ask } from '../parts/ask.tsx';
import { Chart, type Line } from '../parts/chart.tsx';
import { Back } from '../parts/icons.tsx';
import { State } from '../parts/state.tsx';
import { api, attempt, isAdmin } from '../state/api.ts';
import { history, refreshStatus, samples, status, statusAtMs } from '../state/live.ts';
import { toast } from '../state/toasts.ts';

const ROWS = 200;

export function Director({ name }: { readonly name: string }) {
  const director = status.value?.directors.find((one) => one.name === name);
  if (director === undefined) return <section class="panel empty"><strong>No director {name} runs</strong><p>It may have been renamed or taken out.</p><a class="button" href="#/overview">All directors</a></section>;
  const drops = Object.entries(director.drops).filter(([, count]) => count > 0).toSorted((a, b) => b[1] - a[1]);
  return (
    <>
      <div class="page-head">
        <a class="button quiet icon" href="#/overview" aria-label="All directors"><Back /></a>
        <h1>{name}</h1><State word={director.state} />
        <span class="sub mono grow">{director.vip} {director.protocol} · {director.balance} · {director.mode}</span>
        <a class="button" href={`#/sessions?director=${encodeURIComponent(name)}`}>Sessions</a>
      </div>
      <Graphs name={name} />
      <Servers director={director} />
      <section class="panel" aria-label="Drops by reason">
        <header><h2>Drops by reason</h2></header>
        {drops.length === 0 ? <p class="pad muted">Nothing has been dropped.</p> : (
          <table><tbody>{drops.map(([reason, count]) => <tr key={reason}><td>{reason.replaceAll('_', ' ').replaceAll('-', ' ')}</td><td class="num">{countText(count)}</td></tr>)}</tbody></table>
        )}
      </section>
    </>
  );
}

type Sample = SampleView['directors'][number];

function Graphs({ name }: { readonly name: string }) {
  void samples.value;
  const points = history().flatMap(({ atMs, directors }) => {
    const one = directors.find((director) => director.name === name);
    return one === undefined ? [] : [{ at: atMs / 1000, one }];
  });
  const times = points.map(({ at }) => at);
  const line = (label: string, pick: (one: Sample) => number, colour = '--accent', dash = false): Line => ({ label, values: points.map(({ one }) => pick(one)), colour, dash });
  return (
    <div class="charts">
      <Chart title="Packets a second" times={times} text={countText} lines={[line('in', (one) => one.packetsInPerS), line('out', (one) => one.packetsOutPerS, '--text', true)]} />
      <Chart title="Throughput" times={times} text={bitRateText} lines={[line('in', (one) => one.bytesInPerS), line('out', (one) => one.bytesOutPerS, '--text', true)]} />
      <Chart title="Sessions" times={times} text={countText} lines={[line('live', (one) => one.sessions)]} />
      <Chart title="New sessions and drops a second" times={times} text={countText} lines={[line('new', (one) => one.newSessionsPerS), line('drops', (one) => one.dropsPerS, '--bad', true)]} />
    </div>
  );
}

function Servers({ director }: { readonly director: DirectorView }) {
  const [all, setAll] = useState(false);
  const admin = isAdmin();
  const shown = all ? director.servers : director.servers.slice(0, ROWS);
  const created = director.servers.reduce((sum, { sessionsCreated }) => sum + sessionsCreated, 0);
  const weights = director.servers.reduce((sum, { weight }) => sum + weight, 0);
  return (
    <section class="panel" aria-label="Servers">
      <header><h2 class="grow">Servers <span class="muted">{director.servers.length}</span></h2></header>
      <div class="table-box" tabIndex={0} role="region" aria-label="Servers, a line each">
        <table class="stacked">
          <thead><tr><th>Server</th><th>State</th><th>Reason</th><th class="num wide-only">Weight</th><th class="num">Sessions</th><th class="num" title="Of all sessions made; the mark is the share its weight gives">Share and weight</th><th class="num wide-only">Packets in, out</th>{admin && <th><span class="visually-hidden">Change</span></th>}</tr></thead>
          <tbody>{shown.map((server) => (
            <tr key={server.name}>
              <td><strong>{server.name}</strong><span class="sub mono">{server.address}</span></td>
              <td><State word={server.state} />{(server.override !== null || server.sorry) && <span class="sub">{server.override === null ? 'sorry server' : `by an operator: ${server.override}`}</span>}</td>
              <td class="reason">{server.reason}{server.sinceMs > 0 && <> · {spanText(statusAtMs.value - server.sinceMs)}</>}</td>
              <td class="num wide-only">{server.weight}{server.weight !== server.configuredWeight && <span class="muted"> of {server.configuredWeight}</span>}</td>
              <td class="num" data-label="Sessions">{countText(server.sessions)}</td>
              <td class="num"><Share part={server.sessionsCreated} whole={created} weight={server.weight} weights={weights} /></td>
              <td class="num wide-only">{countText(server.packetsIn)}<span class="muted">, {countText(server.packetsOut)}</span></td>
              {admin && <td><Actions server={server} /></td>}
            </tr>
          ))}</tbody>
        </table>
      </div>
      {shown.length < director.servers.length && <footer><button type="button" class="button small" onClick={() => setAll(true)}>Show all {director.servers.length}</button></footer>}
    </section>
  );
}

function Share({ part, whole, weight, weights }: { readonly part: number; readonly whole: number; readonly weight: number; readonly weights: number }) {
  const due = weights > 0 ? (weight / weights) * 100 : 0;
  return (
    <span class="share" title={`${shareText(part, whole)} of the sessions made; its weight gives ${due.toFixed(1)} %`}>
      <span class="bar"><i style={{ width: `${whole > 0 ? (part / whole) * 100 : 0}%` }} /><b style={{ left: `calc(${due}% - 1px)` }} /></span>
      <span>{shareText(part, whole)}</span>
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
  if (server.override !== null) return <div class="row-actions"><button type="button" class="button small" onClick={() => void act('reset', 'as configured again')}>Enable</button></div>;
  if (server.state === 'disabled' || server.state === 'drain') return <div class="row-actions"><button type="button" class="button small" onClick={() => void act('enable', 'enabled')}>Enable</button></div>;
  return (
    <div class="row-actions">
      <button type="button" class="button small" onClick={() => void act('drain', 'drains: no new sessions, live ones stay')}>Drain</button>
      <button type="button" class="button small" onClick={disable}>Disable</button>
    </div>
  );
}
