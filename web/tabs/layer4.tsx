/** LB Layer4: the directors as text, with OK and Apply as on the ALOHA page, and a form that writes a director. */
import { useRef, useState } from 'preact/hooks';
import type { Code } from '../parts/code.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Editor } from '../parts/editor.tsx';
import { Plus, Redo, Undo } from '../parts/icons.tsx';
import { IssueList } from '../parts/problem.tsx';
import { busy, editedDiffers, openApply } from '../state/apply.ts';
import { isAdmin } from '../state/api.ts';
import { acceptDraft, base, dirty, drafts, issues, revertDraft, setDraft } from '../state/documents.ts';
import { BALANCE_WORDS, MODE_WORDS, OPTION_WORDS, SESSION_KINDS } from '../../src/config/grammar.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { EMPTY_DIRECTOR, directorText, type DirectorForm } from '../../src/web/director-form.ts';
import { appendSection } from '../../src/web/sections.ts';
import { Field } from '../parts/field.tsx';

export function Layer4() {
  const code = useRef<Code | null>(null);
  const [inserting, setInserting] = useState(false);
  const mine = issues.value.filter(({ at }) => at.file === 'layer4.conf');
  const errors = mine.filter(({ severity }) => severity === 'error').length;
  const changed = dirty.value.includes('layer4');
  const admin = isAdmin();
  return (
    <>
      <div class="page-head">
        <h1 class="grow">LB Layer4</h1>
        {admin && <div class="actions"><button type="button" class="button" onClick={() => setInserting(true)}><Plus />Insert director</button></div>}
      </div>
      <section class="panel" aria-label="Directors as text">
        <header>
          <h2 class="mono">layer4.conf</h2>
          <span class="muted grow">{summary(errors, mine.length - errors)}</span>
          {admin && <div class="actions">
            <button type="button" class="button quiet icon" aria-label="Undo" title="Undo" onClick={() => code.current?.undo()}><Undo /></button>
            <button type="button" class="button quiet icon" aria-label="Redo" title="Redo" onClick={() => code.current?.redo()}><Redo /></button>
            <button type="button" class="button" disabled={!changed} onClick={() => revertDraft('layer4')}>Revert</button>
            <button type="button" class="button" disabled={!changed || busy.value} onClick={() => void acceptDraft('layer4')}>OK</button>
            <button type="button" class="button primary" disabled={busy.value || (dirty.value.length === 0 && !editedDiffers())} onClick={() => void openApply()}>Apply</button>
          </div>}
        </header>
        {base.value === null ? <p class="loading">Reading the text…</p> : <Editor document="layer4" label="layer4.conf, the directors" value={drafts.value.layer4} issues={issues.value} readOnly={!admin} onChange={(text) => setDraft('layer4', text)} onReady={(ready) => { code.current = ready; }} />}
        {mine.length > 0 && <IssueList issues={mine} onGo={({ at }) => code.current?.goTo(at.line, at.col)} />}
      </section>
      {inserting && <InsertDirector onClose={() => setInserting(false)} onInsert={(text) => {
        setDraft('layer4', appendSection(drafts.value.layer4, text));
        setInserting(false);
      }} />}
    </>
  );
}

/** Returns what the checker says in a few words. */
export function summary(errors: number, warnings: number): string {
  const parts = [...(errors === 0 ? [] : [`${errors} ${errors === 1 ? 'error' : 'errors'}`]), ...(warnings === 0 ? [] : [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`])];
  return parts.length === 0 ? 'no problems' : parts.join(', ');
}

const CHECKS = OPTION_WORDS.filter(({ word }) => ['icmpcheck', 'arpcheck', 'dnscheck', 'udpcheck', 'tcpcheck'].includes(word));

function InsertDirector({ onClose, onInsert }: { readonly onClose: () => void; readonly onInsert: (text: string) => void }) {
  const [form, setForm] = useState<DirectorForm>(EMPTY_DIRECTOR);
  const set = (part: Partial<DirectorForm>): void => setForm({ ...form, ...part });
  const text = directorText(form);
  const { issues: found } = parseConfig([{ file: 'layer4.conf', document: 'layer4', text }]);
  const errors = found.filter(({ severity }) => severity === 'error');
  const started = form.name !== '' || form.address !== '';
  return (
    <Dialog title="Insert director" size="wide" onClose={onClose} footer={<>
      <button type="button" class="button" onClick={onClose}>Cancel</button>
      <button type="button" class="button primary" disabled={errors.length > 0 || form.name.trim() === '' || form.address.trim() === ''} onClick={() => onInsert(text)}>Insert</button>
    </>}>
      <div class="form-grid">
        <Field label="Name"><input class="input mono" value={form.name} placeholder="web" spellcheck={false} onInput={(e) => set({ name: e.currentTarget.value })} /></Field>
        <Field label="Address and port" note="A range is 192.0.2.3:5000-5100"><input class="input mono" value={form.address} placeholder="192.0.2.3:53" spellcheck={false} onInput={(e) => set({ address: e.currentTarget.value })} /></Field>
        <Field label="Protocol"><select class="input" value={form.protocol} onChange={(e) => set({ protocol: e.currentTarget.value === 'TCP' ? 'TCP' : 'UDP' })}><option>UDP</option><option>TCP</option></select></Field>
      </div>
      <div class="form-grid">
        <Choice label="Balance" value={form.balance} words={BALANCE_WORDS} onChange={(balance) => set({ balance })} />
        <Choice label="Mode" value={form.mode} words={MODE_WORDS} onChange={(mode) => set({ mode })} />
        <Choice label="Sessions" value={form.session} words={SESSION_KINDS} onChange={(session) => set({ session })} />
        <Field label="Check" note={form.check === '' ? 'servers are taken to be up' : CHECKS.find(({ word }) => word === form.check)?.meaning ?? 'sees a dead host, not a dead service'}><select class="input" value={form.check} onChange={(e) => set({ check: e.currentTarget.value })}>
          <option value="default">check</option>{CHECKS.map(({ word }) => <option key={word}>{word}</option>)}<option value="">none</option>
        </select></Field>
      </div>
      <fieldset>
        <legend>Servers</legend>
        <div class="server-row head" aria-hidden="true"><span>Name</span><span>Address and port</span><span>Weight</span></div>
        {form.servers.map((server, i) => {
          const change = (part: Partial<typeof server>): void => set({ servers: form.servers.map((one, at) => (at === i ? { ...one, ...part } : one)) });
          return (
            <div class="server-row" key={i}>
              <input class="input mono" aria-label={`Name of server ${i + 1}`} value={server.name} spellcheck={false} onInput={(e) => change({ name: e.currentTarget.value })} />
              <input class="input mono" aria-label={`Address of server ${i + 1}`} value={server.address} placeholder={`192.0.2.${11 + i}:53`} spellcheck={false} onInput={(e) => change({ address: e.currentTarget.value })} />
              <input class="input mono" aria-label={`Weight of server ${i + 1}`} value={server.weight} inputMode="numeric" placeholder="1" onInput={(e) => change({ weight: e.currentTarget.value })} />
            </div>
          );
        })}
        <button type="button" class="button small" onClick={() => set({ servers: [...form.servers, { name: `srv${form.servers.length + 1}`, address: '', weight: '10' }] })}><Plus />Add server</button>
      </fieldset>
      <section><h3>The text it writes</h3><pre class="text sunken" tabIndex={0}>{text}</pre></section>
      {started && errors.length > 0 && <IssueList issues={errors} />}
    </Dialog>
  );
}

function Choice({ label, value, words, onChange }: { readonly label: string; readonly value: string; readonly words: readonly { readonly word: string; readonly meaning: string }[]; readonly onChange: (word: string) => void }) {
  return (
    <Field label={label} note={words.find(({ word }) => word === value)?.meaning.replaceAll('`', '')}><select class="input" value={value} onChange={(e) => onChange(e.currentTarget.value)}>{words.map(({ word }) => <option key={word}>{word}</option>)}</select></Field>
  );
}
