/** Logs: what happened, newest first: servers up and down with reasons, applies, sign-ins. */
import { useState } from 'preact/hooks';
import type { EventView } from '../../src/client/types.ts';
import { events } from '../state/live.ts';
import { timeText } from './setup.tsx';
import { Field } from '../parts/field.tsx';

const ROWS = 300;

export function Logs() {
  const [filter, setFilter] = useState('');
  const [kind, setKind] = useState('');
  /** The events as they were when following stopped. */
  const [held, setHeld] = useState<readonly EventView[] | null>(null);
  const [most, setMost] = useState(ROWS);
  const all = held ?? events.value;
  const wanted = filter.trim().toLowerCase();
  const found = all.filter((event) => (kind === '' || event.kind === kind) && (wanted === '' || `${event.kind} ${event.who} ${event.text} ${event.director ?? ''} ${event.server ?? ''}`.toLowerCase().includes(wanted))).toReversed();
  const kinds = [...new Set(events.value.map((event) => event.kind))].toSorted();
  const waiting = held === null ? 0 : events.value.length - held.length;
  return (
    <>
      <div class="page-head"><h1 class="grow">Logs</h1>
        <label class="check"><input type="checkbox" checked={held === null} onChange={(e) => setHeld(e.currentTarget.checked ? null : events.peek())} />Follow{waiting > 0 ? ` (${waiting} new)` : ''}</label>
      </div>
      <section class="panel" aria-label="Events">
        <header class="search">
          <Field label="Search"><input class="input" type="search" value={filter} placeholder="server, user, words" onInput={(e) => setFilter(e.currentTarget.value)} /></Field>
          <Field label="Kind"><select class="input" value={kind} onChange={(e) => setKind(e.currentTarget.value)}><option value="">all</option>{kinds.map((one) => <option key={one}>{one}</option>)}</select></Field>
          <span class="muted count" role="status">{found.length} of {all.length}</span>
        </header>
        {found.length === 0 ? <div class="empty"><strong>{all.length === 0 ? 'Nothing has happened yet' : 'No event matches'}</strong></div> : (
          <div class="table-box" tabIndex={0} role="region" aria-label="Events, newest first">
            <table class="log">
              <thead><tr><th>Time</th><th>Kind</th><th>Who</th><th>What</th></tr></thead>
              <tbody>{found.slice(0, most).map((event) => (
                <tr key={event.seq}><td class="nowrap muted">{timeText(event.atMs)}</td><td><span class={`tag ${toneOf(event.kind)}`}>{event.kind}</span></td><td class="nowrap">{event.who}</td><td class="what">{event.text}</td></tr>
              ))}</tbody>
            </table>
          </div>
        )}
        {found.length > most && <footer><button type="button" class="button small" onClick={() => setMost(most + ROWS)}>Show older</button></footer>}
      </section>
    </>
  );
}

function toneOf(kind: string): string {
  if (/down|fault|failed|rollback|lost/.test(kind)) return 'bad';
  if (/drain|limited|refused|degraded/.test(kind)) return 'warn';
  return /up$|recovered/.test(kind) ? 'good' : '';
}
