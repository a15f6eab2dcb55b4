/** NAT: the rules in their order, the New Rule form of the ALOHA page, and the same rules as text. */
import { computed } from '@preact/signals';
import { useState } from 'preact/hooks';
import { Plus } from '../parts/icons.tsx';
import { State } from '../parts/state.tsx';
import { busy, editedDiffers, openApply } from '../state/apply.ts';
import { isAdmin } from '../state/api.ts';
import { base, dirty, drafts } from '../state/documents.ts';
import { natRows, type NatRow } from '../../src/web/nat-form.ts';
import { hasConntrack } from '../../src/web/service-text.ts';
import { RuleDialog } from './nat-rule.tsx';
import { NatTable } from './nat-table.tsx';
import { NatText } from './nat-text.tsx';

const rows = computed(() => natRows(drafts.value.nat));

export function Nat() {
  const [view, setView] = useState<'rules' | 'text'>('rules');
  const [editing, setEditing] = useState<NatRow | 'new' | null>(null);
  const admin = isAdmin();
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
      {rows.value.length > 0 && !hasConntrack(drafts.value.services) && (
        <div class="banner warn"><div><State word="warning" /> <strong>conntrack is off in service lvs.</strong> NAT rules do not act on balanced traffic without it.</div>
          <div class="actions"><a class="button small" href={admin ? '#/services?setup=lvs' : '#/services'}>{admin ? 'Set it in Services' : 'See Services'}</a></div></div>
      )}
      {base.value === null ? <p class="loading" role="status">Reading the rules…</p> : view === 'text' ? <NatText /> : rows.value.length === 0 ? <Empty admin={admin} onInsert={() => setEditing('new')} /> : (
        <NatTable rows={rows.value} onEdit={(row) => (row.form === null ? setView('text') : setEditing(row))} />
      )}
      {editing !== null && <RuleDialog row={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
    </>
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
