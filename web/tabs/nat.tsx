/** NAT: the rules in their order, the New Rule form of the ALOHA page, and the same rules as text. */
import { useRef, useState } from 'preact/hooks';
import type { Code } from '../parts/code.ts';
import { ask } from '../parts/ask.tsx';
import { Editor } from '../parts/editor.tsx';
import { Down, Edit, Plus, Remove, Up } from '../parts/icons.tsx';
import { IssueList } from '../parts/problem.tsx';
import { State } from '../parts/state.tsx';
import { busy, editedDiffers, openApply } from '../state/apply.ts';
import { isAdmin } from '../state/api.ts';
import { acceptDraft, changeDocument, dirty, drafts, issues, revertDraft, setDraft } from '../state/documents.ts';
import { natRows, type NatForm, type NatRow } from '../../src/web/nat-form.ts';
import { moveSection, removeSection } from '../../src/web/sections.ts';
import { hasConntrack } from '../../src/web/service-text.ts';
import { RuleDialog } from './nat-rule.tsx';
import { summary } from './layer4.tsx';

export function Nat() {
  const [view, setView] = useState<'rules' | 'text'>('rules');
  const [editing, setEditing] = useState<NatRow | 'new' | null>(null);
  const admin = isAdmin();
  const text = drafts.value.nat;
  const rows = natRows(text);
  return (
    <>
      <div class="page-head">
        <h1 class="grow">NAT</h1>
        <div class="segments" role="group" aria-label="Show as">
          <button type="button" aria-pressed={view === 'rules'} onClick={() => setView('rules')}>Rules</button>
          <button type="button" aria-pressed={view === 'text'} onClick={() => setView('text')}>Text</button>
        </div>
        {admin && <div class="actions">
          <button type="button" class="button" onClick={() => setEditing('new')}><Plus />Insert</button>
          <button type="button" class="button primary" disabled={busy.value || (dirty.value.length === 0 && !editedDiffers())} onClick={() => void openApply()}>Apply</button>
        </div>}
      </div>
      {rows.length > 0 && !hasConntrack(drafts.value.services) && (
        <div class="banner warn"><div><State word="warning" /> <strong>conntrack is off in service lvs.</strong> NAT rules do not act on balanced traffic without it.</div>
          <div class="actions"><a class="button small" href="#/services?setup=lvs">Set it in Services</a></div></div>
      )}
      {view === 'text' ? <NatText /> : rows.length === 0 ? <Empty admin={admin} onInsert={() => setEditing('new')} /> : (
        <section class="panel" aria-label="NAT rules">
          <div class="table-box" tabIndex={0} role="region" aria-label="NAT rules, in order">
            <table class="stacked">
              <thead><tr><th class="num wide-only">#</th><th>Rule</th><th>In → out</th><th>Protocol</th><th>Before</th><th>After</th>{admin && <th><span class="visually-hidden">Change</span></th>}</tr></thead>
              <tbody>{rows.map((row) => <Row key={row.index} row={row} last={row.index === rows.length - 1} admin={admin} onEdit={() => (row.form === null ? setView('text') : setEditing(row))} />)}</tbody>
            </table>
          </div>
          <footer>The first rule that matches is used.</footer>
        </section>
      )}
      {editing !== null && <RuleDialog row={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
    </>
  );
}

function Row({ row, last, admin, onEdit }: { readonly row: NatRow; readonly last: boolean; readonly admin: boolean; readonly onEdit: () => void }) {
  const { index, name, form } = row;
  const text = drafts.value.nat;
  const move = (to: number): void => void changeDocument('nat', moveSection(text, index, to), `Rule ${name} is now number ${to + 1}.`);
  const remove = (): void => ask({ title: `Delete rule ${name}`, text: 'The rule goes out of the edited text. It acts until the next Apply, and Undo brings it back.', button: 'Delete', run: () => void changeDocument('nat', removeSection(text, index), `Rule ${name} deleted.`) });
  return (
    <tr>
      <td class="num muted wide-only">{index + 1}</td>
      <td><strong>{name}</strong></td>
      {form === null ? <td colSpan={4}><State word="error" /> <span class="muted">line {row.line}: {row.issues.find(({ severity }) => severity === 'error')?.message}</span></td> : <>
        <td class="mono nowrap">{form.inIface || 'any'} → {form.outIface || 'any'}</td>
        <td data-label="Protocol">{form.protocol}</td>
        <td class="mono" data-label="Before">{beforeText(form)}</td>
        <td class="mono" data-label="After">{afterText(form)}</td>
      </>}
      {admin && <td><div class="row-actions">
        <button type="button" class="button quiet icon small" aria-label={`Move ${name} up`} disabled={index === 0} onClick={() => move(index - 1)}><Up /></button>
        <button type="button" class="button quiet icon small" aria-label={`Move ${name} down`} disabled={last} onClick={() => move(index + 1)}><Down /></button>
        <button type="button" class="button quiet icon small" aria-label={`Edit ${name}`} onClick={onEdit}><Edit /></button>
        <button type="button" class="button quiet icon small" aria-label={`Delete ${name}`} onClick={remove}><Remove /></button>
      </div></td>}
    </tr>
  );
}

function beforeText({ source, sport, destination, dport }: NatForm): string {
  return [source !== '' || sport !== '' ? `from ${endpoint(source, sport)}` : '', destination !== '' || dport !== '' ? `to ${endpoint(destination, dport)}` : ''].filter(Boolean).join(' ') || 'anything';
}

function afterText({ afterSource, afterSport, afterDestination, afterDport }: NatForm): string {
  return [afterSource !== '' || afterSport !== '' ? `from ${endpoint(afterSource, afterSport)}` : '', afterDestination !== '' || afterDport !== '' ? `to ${endpoint(afterDestination, afterDport)}` : ''].filter(Boolean).join(' ') || 'unchanged';
}

function endpoint(address: string, port: string): string {
  if (address === '') return `port ${port}`;
  const host = address;
  return port === '' ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function NatText() {
  const code = useRef<Code | null>(null);
  const mine = issues.value.filter(({ at }) => at.file === 'nat.conf');
  const errors = mine.filter(({ severity }) => severity === 'error').length;
  const changed = dirty.value.includes('nat');
  const admin = isAdmin();
  return (
    <section class="panel" aria-label="NAT rules as text">
      <header><h2 class="mono">nat.conf</h2><span class="muted grow">{summary(errors, mine.length - errors)}</span>
        {admin && <div class="actions">
          <button type="button" class="button" disabled={!changed} onClick={() => revertDraft('nat')}>Revert</button>
          <button type="button" class="button" disabled={!changed} onClick={() => void acceptDraft('nat')}>OK</button>
        </div>}
      </header>
      <Editor document="nat" label="nat.conf, the NAT rules" value={drafts.value.nat} issues={issues.value} readOnly={!admin} onChange={(text) => setDraft('nat', text)} onReady={(ready) => { code.current = ready; }} />
      {mine.length > 0 && <IssueList issues={mine} onGo={({ at }) => code.current?.goTo(at.line, at.col)} />}
    </section>
  );
}

function Empty({ admin, onInsert }: { readonly admin: boolean; readonly onInsert: () => void }) {
  return (
    <section class="panel empty">
      <strong>No NAT rules</strong>
      <p>A source-NAT rule makes servers answer through this balancer when it is not their gateway. Without one, their replies must find their own way back here.</p>
      {admin && <button type="button" class="button" onClick={onInsert}><Plus />Insert a rule</button>}
    </section>
  );
}
