/** The NAT rules in their order, what each has taken, and the change of their order by buttons and by Alt with an arrow key. */
import { useEffect, useRef } from 'preact/hooks';
import { afterText, beforeText, type NatRow } from '../../src/web/nat-form.ts';
import { countText } from '../../src/web/numbers.ts';
import { moveSection, removeSection } from '../../src/web/sections.ts';
import { ask } from '../parts/ask.tsx';
import { Down, Edit, Remove, Up } from '../parts/icons.tsx';
import { State } from '../parts/state.tsx';
import { isAdmin } from '../state/api.ts';
import { changeDocument, drafts } from '../state/documents.ts';
import { useNatCounters, type NatCounters } from '../state/nat-counters.ts';

type Way = 'up' | 'down';

export function NatTable({ rows, onEdit }: { readonly rows: readonly NatRow[]; readonly onEdit: (row: NatRow) => void }) {
  const admin = isAdmin();
  const counters = useNatCounters();
  const body = useRef<HTMLTableSectionElement>(null);
  /** The rule that was moved: its button has the focus again once the rows are drawn in their new order. */
  const moving = useRef(false);
  const moved = useRef<{ readonly to: number; readonly way: Way } | null>(null);
  useEffect(() => {
    if (moved.current === null) return;
    const { to, way } = moved.current;
    moved.current = null;
    const row = body.current?.rows[to];
    const button = row?.querySelector<HTMLButtonElement>(`[data-move="${way}"]:not(:disabled)`) ?? row?.querySelector<HTMLButtonElement>('[data-move]:not(:disabled)');
    button?.focus();
  }, [rows]);
  const move = async (row: NatRow, way: Way): Promise<void> => {
    const to = row.index + (way === 'up' ? -1 : 1);
    // One after the other: a second move on top of the first one's text would meet its own etag.
    if (to < 0 || to >= rows.length || moving.current) return;
    moving.current = true;
    moved.current = { to, way };
    if (!(await changeDocument('nat', moveSection(drafts.peek().nat, row.index, to), `Rule ${row.name} is now number ${to + 1}.`))) moved.current = null;
    moving.current = false;
  };
  return (
    <section class="panel" aria-label="NAT rules">
      <div class="table-box" tabIndex={0} role="region" aria-label="NAT rules, in order">
        <table class="stacked">
          <thead><tr><th class="num wide-only">#</th><th>Rule</th><th>In → out</th><th>Protocol</th><th>Before</th><th>After</th><th>Acts in</th><th class="num">Flows</th><th class="num">Packets</th>{admin && <th><span class="visually-hidden">Change</span></th>}</tr></thead>
          <tbody ref={body}>{rows.map((row) => (
            <Row key={row.index} row={row} last={row.index === rows.length - 1} counters={counters === null ? undefined : counters.get(row.name) ?? null} onEdit={() => onEdit(row)} onMove={admin ? (way) => void move(row, way) : null} />
          ))}</tbody>
        </table>
      </div>
      <footer>The first rule that matches is used.{admin && <span class="wide-only"> Alt with ↑ or ↓ moves the rule that has the focus.</span>}</footer>
    </section>
  );
}

interface RowProps {
  readonly row: NatRow;
  readonly last: boolean;
  /** Undefined: not read yet; null: the rule does not run. */
  readonly counters: NatCounters | null | undefined;
  readonly onEdit: () => void;
  /** Null: nothing may be changed here. */
  readonly onMove: ((way: Way) => void) | null;
}

function Row({ row, last, counters, onEdit, onMove }: RowProps) {
  const { index, name, form } = row;
  const remove = (): void => ask({
    title: `Delete rule ${name}`, button: 'Delete', text: 'The rule goes out of the edited text. It acts until the next Apply, and Undo brings it back.',
    run: () => void changeDocument('nat', removeSection(drafts.peek().nat, index), `Rule ${name} deleted.`),
  });
  const onKey = (event: KeyboardEvent): void => {
    if (!event.altKey || onMove === null || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    onMove(event.key === 'ArrowUp' ? 'up' : 'down');
  };
  return (
    <tr onKeyDown={onKey}>
      <td class="num muted wide-only">{index + 1}</td>
      <td><strong>{name}</strong></td>
      {form === null ? <td colSpan={4}><State word="error" /> <span class="muted">line {row.line}: {row.issues.find(({ severity }) => severity === 'error')?.message}</span></td> : <>
        <td class="mono nowrap">{form.inIface || 'any'} → {form.outIface || 'any'}</td>
        <td class="full" data-label="Protocol">{form.protocol}</td>
        <td class="mono full" data-label="Before">{beforeText(form)}</td>
        <td class="mono full" data-label="After">{afterText(form)}</td>
      </>}
      <Counters counters={counters} />
      {onMove !== null && <td><div class="row-actions">
        <button type="button" class="button quiet icon small" data-move="up" aria-label={`Move ${name} up`} title="Move up" disabled={index === 0} onClick={() => onMove('up')}><Up /></button>
        <button type="button" class="button quiet icon small" data-move="down" aria-label={`Move ${name} down`} title="Move down" disabled={last} onClick={() => onMove('down')}><Down /></button>
        <button type="button" class="button quiet icon small" aria-label={`Edit ${name}`} title="Edit" onClick={onEdit}><Edit /></button>
        <button type="button" class="button quiet icon small" aria-label={`Delete ${name}`} title="Delete" onClick={remove}><Remove /></button>
      </div></td>}
    </tr>
  );
}

/** Three cells. A rule that acts nowhere has no numbers: a zero would look like a rule that nobody matches. */
function Counters({ counters }: { readonly counters: NatCounters | null | undefined }) {
  if (counters === undefined) return <><td class="muted full" data-label="Acts in">…</td><td class="num muted" data-label="Flows">…</td><td class="num muted" data-label="Packets">…</td></>;
  if (counters === null) return <><td class="muted full" data-label="Acts in">not running yet</td><td class="num muted" data-label="Flows">–</td><td class="num muted" data-label="Packets">–</td></>;
  const { rule: { table, directors, flows, packets }, flowsPerS } = counters;
  const isIdle = !table && directors.length === 0;
  return <>
    <td class="full" data-label="Acts in">{isIdle ? <span class="muted">nothing: conntrack is off</span> : <>{directors.length > 0 && <>engine <span class="muted">{directors.length > 3 ? `${directors.length} directors` : directors.join(', ')}</span></>}{directors.length > 0 && table && ', '}{table && 'nftables'}</>}</td>
    <td class="num" data-label="Flows">{isIdle || flows === null ? <span class="muted" title={isIdle ? undefined : 'The table cannot be read.'}>–</span> : <>{countText(flows)}<span class="sub">{flowsPerS === null ? '–' : countText(flowsPerS)}/s</span></>}</td>
    <td class="num" data-label="Packets">{isIdle || packets === null ? <span class="muted" title={isIdle ? undefined : 'The kernel asks NAT rules about the first packet of a flow alone.'}>–</span> : countText(packets)}</td>
  </>;
}
