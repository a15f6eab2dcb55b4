/** One director: live graphs, its servers with state, reason and share, drops by reason. */
import { DROP_REASONS } from '../../src/engine/drops.ts';
import type { DirectorView } from '../../src/client/types.ts';
import { countText } from '../../src/web/numbers.ts';
import { Back } from '../parts/icons.tsx';
import { State } from '../parts/state.tsx';
import { history, samples, status } from '../state/live.ts';
import { DirectorGraphs } from './director-graphs.tsx';
import { DirectorServers } from './director-servers.tsx';

export function Director({ name }: { readonly name: string }) {
  const director = status.value?.directors.find((one) => one.name === name);
  if (director === undefined) return <section class="panel empty"><strong>No director {name} runs</strong><p>It may have been renamed or taken out.</p><a class="button" href="#/overview">All directors</a></section>;
  return (
    <>
      <div class="page-head">
        <a class="button quiet icon" href="#/overview" aria-label="All directors"><Back /></a>
        <h1>{name}</h1><State word={director.state} />
        <span class="sub mono grow">{director.vip} {director.protocol} · {director.balance} · {director.mode}</span>
        <a class="button" href={`#/sessions?director=${encodeURIComponent(name)}`}>Sessions</a>
      </div>
      {director.state === 'down' && <div class="banner bad" role="alert"><div><State word="error" /> <strong>No server of {name} takes sessions: every datagram to {director.vip} is dropped.</strong> The table below says why each is out.</div></div>}
      {director.state === 'sorry' && <div class="banner warn" role="alert"><div><State word="warning" /> <strong>Only the sorry server of {name} serves.</strong> Every other is out.</div></div>}
      <DirectorGraphs director={director} engine={status.value?.engine.name ?? ''} />
      <DirectorServers director={director} />
      <Drops director={director} />
    </>
  );
}

const MEANINGS: ReadonlyMap<string, string> = new Map(DROP_REASONS.map(({ name, text }) => [name, text.replaceAll('`', '')]));

function Drops({ director }: { readonly director: DirectorView }) {
  void samples.value;
  const rates = history().at(-1)?.directors.find(({ name }) => name === director.name)?.drops ?? {};
  const drops = Object.entries(director.drops).filter(([, count]) => count > 0).toSorted((a, b) => b[1] - a[1]);
  return (
    <section class="panel" aria-label="Drops by reason">
      <header><h2>Drops by reason</h2></header>
      {drops.length === 0 ? <p class="pad muted">Nothing has been dropped.</p> : (
        <div class="table-box" tabIndex={0} role="region" aria-label="Drops, a line each reason">
          <table class="stacked">
            <thead><tr><th>Reason</th><th>What it means</th><th class="num">Now, a second</th><th class="num">Since the start</th></tr></thead>
            <tbody>{drops.map(([reason, count]) => (
              <tr key={reason}><td><code>{reason}</code></td><td class="reason">{MEANINGS.get(reason)}</td><td class="num" data-label="Now, a second">{countText(rates[reason] ?? 0)}</td><td class="num" data-label="Since the start">{countText(count)}</td></tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}
