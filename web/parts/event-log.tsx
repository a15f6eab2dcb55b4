/** A log: events newest first, searched, narrowed by kind or service, followed or held still. */
import { useEffect, useState } from 'preact/hooks';
import type { EventView } from '../../src/client/types.ts';
import { matchingEvents } from '../../src/web/event-filter.ts';
import { connections, events, loadOlderEvents } from '../state/live.ts';
import { directorAddress } from '../state/route.ts';
import { Field } from './field.tsx';
import { timeText } from './time.ts';

const ROWS = 300;

/** `service` null: the log of all, with a choice of one. */
export function EventLog({ service }: { readonly service: string | null }) {
  const [words, setWords] = useState('');
  const [kind, setKind] = useState('');
  const [chosen, setChosen] = useState('');
  /** The events as they were when following stopped. */
  const [held, setHeld] = useState<readonly EventView[] | null>(null);
  const [most, setMost] = useState(ROWS);
  useEffect(() => void loadOlderEvents(), [connections.value]);
  const of = service ?? chosen;
  const all = (held ?? events.value).filter((event) => of === '' || event.service === of);
  const found = matchingEvents(all, { words, kind, service: '' });
  const kinds = [...new Set(all.map((event) => event.kind))].toSorted();
  const services = [...new Set(events.value.flatMap((event) => event.service ?? []))].toSorted();
  const heldTo = held?.at(-1)?.seq ?? 0;
  const waiting = held === null ? 0 : events.value.filter((event) => event.seq > heldTo && (of === '' || event.service === of)).length;
  return (
    <>
      <div class="search">
        <Field label="Search"><input class="input" type="search" value={words} placeholder="server, user, words" onInput={(e) => setWords(e.currentTarget.value)} /></Field>
        {service === null && <Field label="Service"><select class="input" value={chosen} onChange={(e) => setChosen(e.currentTarget.value)}><option value="">all</option>{services.map((one) => <option key={one}>{one}</option>)}</select></Field>}
        <Field label="Kind"><select class="input" value={kinds.includes(kind) ? kind : ''} onChange={(e) => setKind(e.currentTarget.value)}><option value="">all</option>{kinds.map((one) => <option key={one}>{one}</option>)}</select></Field>
        <label class="check"><input type="checkbox" checked={held === null} onChange={(e) => setHeld(e.currentTarget.checked ? null : events.peek())} />Follow{waiting > 0 ? ` (${waiting} new)` : ''}</label>
        <span class="muted count" role="status">{found.length} of {all.length}</span>
      </div>
      {found.length === 0 ? <div class="empty"><strong>{all.length === 0 ? 'Nothing has happened yet' : 'No event matches'}</strong></div> : (
        <div class="table-box" tabIndex={0} role="region" aria-label="Events, newest first">
          <table class="log stacked">
            <thead><tr><th>Time</th><th>Kind</th><th>Who</th><th>What</th></tr></thead>
            <tbody>{found.slice(0, most).map((event) => (
              <tr key={event.seq}>
                <td class="nowrap muted">{timeText(event.atMs)}</td><td><span class={`tag ${toneOf(event.kind)}`}>{event.kind}</span></td><td class="nowrap" data-label="By">{event.who}</td>
                <td class="what full">{event.text}{event.director !== undefined && <> <a href={directorAddress(event.director)} aria-label={`Go to director ${event.director}`}>{event.director}</a></>}</td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
      {found.length > most && <footer><button type="button" class="button small" onClick={() => setMost(most + ROWS)}>Show older</button></footer>}
    </>
  );
}

function toneOf(kind: string): string {
  if (/down|fault|failed|rollback|lost/.test(kind)) return 'bad';
  if (/drain|limited|refused|degraded|sorry|override|pin|purge/.test(kind)) return 'warn';
  return /up$|recovered/.test(kind) ? 'good' : '';
}
