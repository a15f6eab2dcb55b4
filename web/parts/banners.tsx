/** What must not be missed, on every tab: a lost connection, an apply that waits, what differs, what the checker warns of. */
import { useEffect, useState } from 'preact/hooks';
import { busy, confirmNow, editedDiffers, openApply, savedDiffers } from '../state/apply.ts';
import { conflict } from '../state/documents.ts';
import { later } from './conflict-dialog.tsx';
import { alarmsOf } from '../../src/web/alarms.ts';
import { api, attempt, isAdmin } from '../state/api.ts';
import { link, status, tryNow } from '../state/live.ts';
import { toast } from '../state/toasts.ts';
import { State } from './state.tsx';

export function Banners() {
  const view = status.value;
  return (
    <div class="banners">
      <Lost />
      {view?.confirmBy != null && <Countdown untilMs={view.confirmBy} />}
      {conflict.value !== null && later.value === conflict.value.etag && (
        <div class="banner warn"><div>Somebody else changed the edited text that you are changing.</div>
          <div class="actions"><button type="button" class="button small" onClick={() => { later.value = ''; }}>Merge…</button></div></div>
      )}
      {view !== null && editedDiffers(view) && (
        <div class="banner info"><div><strong>Edited, not applied.</strong> What runs is the text before it.</div>
          <div class="actions"><a class="button small" href="#/setup">Differences</a>{isAdmin() && <button type="button" class="button small" disabled={busy.value} onClick={() => void openApply()}>See the plan</button>}</div></div>
      )}
      {view !== null && savedDiffers(view) && view.confirmBy === null && (
        <div class="banner info"><div><strong>Running, not saved.</strong> A restart brings back what was saved.</div>
          <div class="actions"><a class="button small" href="#/setup">Go to Setup</a></div></div>
      )}
      <Blackholes />
      <Alarms />
      <Warnings />
    </div>
  );
}

function Lost() {
  const now = useSeconds(link.value.state === 'lost');
  if (link.value.state === 'live') return null;
  const { sinceMs, why, nextMs } = link.value;
  const wait = Math.max(0, Math.ceil((nextMs - now) / 1000));
  return (
    <div class="banner bad">
      <div><strong role="alert">Stale since {new Date(sinceMs).toLocaleTimeString('en-GB')}.</strong> {why}. {wait === 0 ? 'Trying again…' : `Trying again in ${wait} s.`}</div>
      <div class="actions"><button type="button" class="button small" onClick={tryNow}>Try now</button></div>
    </div>
  );
}

function Countdown({ untilMs }: { readonly untilMs: number }) {
  const now = useSeconds(true);
  const left = Math.max(0, Math.ceil((untilMs - now) / 1000));
  return (
    <div class="banner warn">
      <div><strong>The last apply goes back in {left} s</strong> <span role="alert">unless it is confirmed.</span></div>
      {isAdmin() && <div class="actions"><button type="button" class="button small primary" onClick={() => void confirmNow()}>Keep it</button></div>}
    </div>
  );
}

/** Servers named in the banner of lost datagrams. */
const SHOWN = 5;

/** Sessions whose datagrams go nowhere: said above the other warnings, with the one thing to do about it. */
function Blackholes() {
  const alarms = status.value?.blackholes ?? [];
  if (alarms.length === 0) return null;
  const sessions = alarms.reduce((sum, one) => sum + one.sessions, 0);
  const purge = async (): Promise<void> => {
    const count = await attempt(() => api.purge({ blackholed: true }));
    if (count !== undefined) toast({ kind: 'good', text: `${count} ${count === 1 ? 'session' : 'sessions'} ended.`, detail: 'Their next datagrams are balanced anew.' });
  };
  return (
    <div class="banner bad">
      <div><State word="error" /> <strong role="alert">Datagrams are lost.</strong><ul>{alarms.slice(0, SHOWN).map(({ text }) => <li key={text}>{text}</li>)}{alarms.length > SHOWN && <li>and {alarms.length - SHOWN} more servers</li>}</ul></div>
      {isAdmin() && <div class="actions"><button type="button" class="button small" title="They end, and the next datagram of each client is balanced anew. No other session is touched." onClick={() => void purge()}>Purge {sessions === 1 ? 'this session' : `these ${sessions} sessions`}</button></div>}
    </div>
  );
}

/** Every warning but the blackhole alarm, which has a banner of its own. */
function namedWarnings() {
  return (status.value?.warnings ?? []).filter(({ code }) => code !== 'blackhole');
}

/** What is wrong with weir itself: one banner each, none folded away. */
function Alarms() {
  const { alarms } = alarmsOf(namedWarnings());
  return <>{alarms.map(({ issue, tone, action }) => (
    <div key={`${issue.code} ${issue.message}`} class={`banner ${tone}`}>
      <div><State word={tone === 'bad' ? 'error' : 'warning'} /> <strong>{issue.message}</strong>{issue.hint !== undefined && <span class="hint"> · {issue.hint}</span>}</div>
      {action !== null && <div class="actions"><a class="button small" href={action.href}>{action.label}</a></div>}
    </div>
  ))}</>;
}

function Warnings() {
  const { rest: warnings } = alarmsOf(namedWarnings());
  const [open, setOpen] = useState(false);
  const [first] = warnings;
  if (first === undefined) return null;
  const shown = open ? warnings.slice(0, 50) : [first];
  return (
    <div class="banner warn">
      <div>
        <ul>{shown.map((issue, i) => (
          <li key={i} class={open ? '' : 'folded'} title={open ? undefined : issue.message}><State word="warning" /> <a href={addressOf(issue.at.file)}>{issue.at.file}:{issue.at.line}</a> {issue.message}{open && issue.hint !== undefined && <span class="hint"> · {issue.hint}</span>}</li>
        ))}</ul>
      </div>
      <div class="actions"><button type="button" class="button small" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? 'Less' : warnings.length === 1 ? 'More' : `All ${warnings.length} warnings`}</button></div>
    </div>
  );
}

function addressOf(file: string): string {
  return file === 'nat.conf' ? '#/nat' : file === 'layer4.conf' ? '#/layer4' : '#/services';
}

/** Returns the time, again each second while `on`. */
export function useSeconds(on: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!on) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}
