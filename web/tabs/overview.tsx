/** Overview: a line a director, and what the balancer as a whole does. */
import { useState } from 'preact/hooks';
import type { DirectorView } from '../../src/client/types.ts';
import { countText, bitRateText, msText, spanText, sparkPoints } from '../../src/web/numbers.ts';
import { State } from '../parts/state.tsx';
import { isAdmin } from '../state/api.ts';
import { dropsOf, history, ratesOf, samples, status, statusAtMs } from '../state/live.ts';
import { directorAddress } from '../state/route.ts';

const ROWS = 200;
const ORDER: Readonly<Record<DirectorView['state'], number>> = { down: 0, sorry: 1, degraded: 2, up: 3 };

export function Overview() {
  const [filter, setFilter] = useState('');
  const [all, setAll] = useState(false);
  const view = status.value;
  if (view === null) return null;
  const wanted = filter.trim().toLowerCase();
  const directors = view.directors.filter(({ name, vip, state }) => wanted === '' || `${name} ${vip} ${state}`.toLowerCase().includes(wanted)).toSorted((a, b) => ORDER[a.state] - ORDER[b.state]);
  const shown = all ? directors : directors.slice(0, ROWS);
  return (
    <>
      <div class="page-head"><h1 class="grow">Overview</h1><span class="sub">engine <strong>{view.engine.name}</strong> · weir {view.version} · up {spanText(statusAtMs.value - view.startedAtMs)}</span></div>
      <Totals />
      <section class="panel" aria-label="Directors">
        <header><h2 class="grow">Directors <span class="muted">{view.directors.length}</span></h2>
          {view.directors.length > 8 && <input class="input filter" type="search" aria-label="Filter directors" placeholder="Name, address or state" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />}
        </header>
        {view.directors.length === 0 ? (
          <div class="empty"><strong>Nothing is balanced yet</strong><p>A director is an address and port that clients send to, and the servers behind it.</p>{isAdmin() && <a class="button" href="#/layer4">Write one in LB Layer4</a>}</div>
        ) : (
          <div class="table-box" tabIndex={0} role="region" aria-label="Directors, a line each">
            <table class="stacked tight">
              <thead><tr><th>Director</th><th>State</th><th class="wide-only">Traffic, last minute</th><th class="num wide-only">Packets/s</th><th class="num wide-only">Drops/s</th><th class="num wide-only" title="Nine tenths of the replies of the last seconds came sooner">Response p90</th><th class="num">Sessions</th><th class="num">Servers up</th><th class="wide-only">Balance</th></tr></thead>
              <tbody>{shown.map((director) => <Line key={director.name} director={director} />)}</tbody>
            </table>
            {shown.length === 0 && <p class="empty">No director matches “{filter}”.</p>}
          </div>
        )}
        {shown.length < directors.length && <footer><button type="button" class="button small" onClick={() => setAll(true)}>Show all {directors.length}</button></footer>}
      </section>
    </>
  );
}

function Line({ director }: { readonly director: DirectorView }) {
  const real = director.servers.filter(({ sorry }) => !sorry);
  const up = real.filter(({ state }) => state === 'up' || state === 'unknown').length;
  return (
    <tr>
      <td><a href={directorAddress(director.name)}><strong>{director.name}</strong></a> <span class="sub mono">{director.vip} {director.protocol}</span></td>
      <td><State word={director.state} /></td>
      <Traffic name={director.name} />
      <td class="num wide-only">{director.responses === null ? <span class="muted" title="The engine does not see replies">–</span> : msText(director.responses.p90Ms)}</td>
      <td class="num" data-label="Sessions">{countText(director.sessions)}</td>
      <td class="num" data-label="Servers up">{up} <span class="muted">of {real.length}</span></td>
      <td class="wide-only">{director.balance} <span class="muted">{director.mode}</span></td>
    </tr>
  );
}

/** Three cells that follow the samples; the rest of the line follows the status. */
function Traffic({ name }: { readonly name: string }) {
  void samples.value;
  const rates = ratesOf(name);
  const drops = dropsOf(name);
  return <>
    <td class="wide-only"><svg class="spark" viewBox="0 0 96 24" preserveAspectRatio="none" aria-hidden="true"><path class="base" d="M0 23H96" vector-effect="non-scaling-stroke" /><polyline points={sparkPoints(rates, { width: 96, height: 24, slots: 60 })} fill="none" stroke="currentColor" stroke-width="1.5" vector-effect="non-scaling-stroke" /></svg></td>
    <td class="num wide-only">{countText(rates.at(-1) ?? 0)}</td>
    <td class={`num wide-only ${drops > 0 ? 'warn' : ''}`}>{countText(drops)}</td>
  </>;
}

function Totals() {
  void samples.value;
  const last = history().at(-1)?.directors ?? [];
  const sum = (pick: (one: (typeof last)[number]) => number): number => last.reduce((total, one) => total + pick(one), 0);
  const view = status.value;
  const servers = (view?.directors ?? []).flatMap((one) => one.servers);
  const down = servers.filter(({ state }) => state === 'down').length;
  const drops = sum((one) => one.dropsPerS);
  return (
    <dl class="totals">
      <div><dt>Packets in</dt><dd>{countText(sum((one) => one.packetsInPerS))}<small>/s</small></dd></div>
      <div><dt>Packets out</dt><dd>{countText(sum((one) => one.packetsOutPerS))}<small>/s</small></dd></div>
      <div><dt>Throughput</dt><dd>{bitRateText(sum((one) => one.bytesInPerS + one.bytesOutPerS))}</dd></div>
      <div><dt>Sessions</dt><dd>{countText((view?.directors ?? []).reduce((total, { sessions }) => total + sessions, 0))}</dd></div>
      <div class={drops > 0 ? 'warn' : ''}><dt>Drops</dt><dd>{countText(drops)}<small>/s</small></dd></div>
      <div class={down > 0 ? 'bad' : ''}><dt>Servers down</dt><dd>{down} <small>of {servers.length}</small></dd></div>
    </dl>
  );
}
