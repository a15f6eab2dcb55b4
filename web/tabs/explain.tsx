/** Where would this client go, and why: the engine's own answer, nothing is sent. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { ErrorView, ExplainView } from '../../src/client/types.ts';
import { countText } from '../../src/web/numbers.ts';
import { Field } from '../parts/field.tsx';
import { Problem } from '../parts/problem.tsx';
import { State } from '../parts/state.tsx';
import { api, endedSignIn, errorView } from '../state/api.ts';
import { status } from '../state/live.ts';

const asked = signal<{ readonly client: string; readonly vip: string } | null>(null);

/** Asks the form below for this client. */
export function explainClient(client: string, vip: string): void {
  asked.value = { client, vip };
}

export function Explain() {
  const directors = (status.value?.directors ?? []).filter(({ vip }) => vip !== '-');
  const [client, setClient] = useState('');
  const [vip, setVip] = useState('');
  const [answer, setAnswer] = useState<ExplainView | null>(null);
  const [error, setError] = useState<ErrorView | null>(null);
  const first = directors[0]?.vip.replace(/-\d+$/, '') ?? '';
  const explain = async (from: string, to: string): Promise<void> => {
    setError(null);
    setAnswer(null);
    try {
      const director = directors.find((one) => one.vip === to) ?? directors.find((one) => to.startsWith(one.vip.replace(/:[\d-]+$/, '')));
      setAnswer(await api.explain({ client: from.trim(), vip: to, protocol: director?.protocol.toLowerCase() === 'tcp' ? 'tcp' : 'udp' }));
    } catch (problem) {
      if (!endedSignIn(problem)) setError(errorView(problem));
    }
  };
  useEffect(() => {
    const wanted = asked.value;
    if (wanted === null) return;
    asked.value = null;
    setClient(wanted.client);
    setVip(wanted.vip);
    void explain(wanted.client, wanted.vip).then(() => document.getElementById('explain')?.scrollIntoView({ block: 'nearest' }));
  }, [asked.value]);
  return (
    <section class="panel" id="explain" aria-label="Where would this client go">
      <header><h2>Where would this client go, and why</h2></header>
      <form class="search pad" onSubmit={(event) => { event.preventDefault(); void explain(client, vip === '' ? first : vip); }}>
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
