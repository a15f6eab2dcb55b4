/** The New Rule form: IN, OUT, Protocol, Before and After, with a drawing of the set-up it makes. */
import { useState } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { IssueList } from '../parts/problem.tsx';
import { changeDocument, drafts, host } from '../state/documents.ts';
import { status } from '../state/live.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { EMPTY_RULE, armsOf, freeName, natRows, natText, type NatForm, type NatRow } from '../../src/web/nat-form.ts';
import { appendSection, replaceSection } from '../../src/web/sections.ts';
import { Arms } from './nat-arms.tsx';
import { Field } from '../parts/field.tsx';

export function RuleDialog({ row, onClose }: { readonly row: NatRow | null; readonly onClose: () => void }) {
  const taken = natRows(drafts.value.nat).filter(({ index }) => index !== row?.index).map(({ name }) => name);
  const [form, setForm] = useState<NatForm>(row?.form ?? { ...EMPTY_RULE, name: freeName('udp', taken) });
  const [busy, setBusy] = useState(false);
  const set = (part: Partial<NatForm>): void => setForm({ ...form, ...part });
  const text = natText(form, row?.body);
  const { issues } = parseConfig([{ file: 'nat.conf', document: 'nat', text }]);
  const errors = issues.filter(({ severity }) => severity === 'error');
  const double = taken.includes(form.name.trim());
  const directors = (status.value?.directors ?? []).filter(({ vip }) => vip !== '-');
  const store = async (): Promise<void> => {
    setBusy(true);
    const before = drafts.peek().nat;
    const ok = row === null
      ? await changeDocument('nat', appendSection(before, text), `Rule ${form.name} added.`)
      : await changeDocument('nat', replaceSection(before, row.index, text), `Rule ${form.name} changed.`);
    setBusy(false);
    if (ok) onClose();
  };
  return (
    <Dialog title={row === null ? 'New Rule' : `Rule ${row.name}`} size="wide" onClose={onClose} footer={<>
      <button type="button" class="button" onClick={onClose}>Cancel</button>
      <button type="button" class="button primary" disabled={busy || double || errors.length > 0} onClick={() => void store()}>{row === null ? 'Add' : 'OK'}</button>
    </>}>
      <div class="form-grid">
        <TextField label="Name" value={form.name} onInput={(name) => set({ name })} note={double ? 'another rule has this name' : undefined} />
        <Interface label="IN" value={form.inIface} onChange={(inIface) => set({ inIface })} note="interface it comes in by" />
        <Interface label="OUT" value={form.outIface} onChange={(outIface) => set({ outIface })} note="the same for one-arm" />
        <Field label="Protocol"><select class="input" value={form.protocol} onChange={(e) => set({ protocol: e.currentTarget.value })}><option value="udp">udp</option><option value="tcp">tcp</option><option value="any">any</option></select></Field>
      </div>
      <div class="nat-sides">
        <fieldset>
          <legend>Before: as it arrives here</legend>
          <div class="form-grid">
            <TextField label="Source" value={form.source} placeholder="any" onInput={(source) => set({ source })} />
            <TextField label="Source port" value={form.sport} placeholder="any" onInput={(sport) => set({ sport })} />
            <TextField label="Destination" value={form.destination} placeholder="any" list="nat-vips" onInput={(destination) => set({ destination })} note="for balanced traffic the address of the director" />
            <TextField label="Destination port" value={form.dport} placeholder="any" onInput={(dport) => set({ dport })} note="a port or 50000-51000" />
          </div>
        </fieldset>
        <fieldset>
          <legend>After: what it becomes</legend>
          <div class="form-grid">
            <TextField label="Source" value={form.afterSource} placeholder="unchanged" list="nat-sources" onInput={(afterSource) => set({ afterSource })} note="an address, a range, or masquerade" />
            <TextField label="Source port" value={form.afterSport} placeholder="unchanged" onInput={(afterSport) => set({ afterSport })} />
            <TextField label="Destination" value={form.afterDestination} placeholder="unchanged" onInput={(afterDestination) => set({ afterDestination })} />
            <TextField label="Destination port" value={form.afterDport} placeholder="unchanged" onInput={(afterDport) => set({ afterDport })} />
          </div>
        </fieldset>
      </div>
      <datalist id="nat-vips">{[...new Set(directors.map(({ vip }) => vip.replace(/:[\d-]+$/, '').replace(/^\[|\]$/g, '')))].map((vip) => <option key={vip} value={vip} />)}</datalist>
      <datalist id="nat-sources"><option value="masquerade" />{[...new Set(directors.map(({ vip }) => vip.replace(/:[\d-]+$/, '').replace(/^\[|\]$/g, '')))].map((vip) => <option key={vip} value={vip} />)}</datalist>
      <Arms arms={armsOf(form)} form={form} />
      <details><summary>The text it writes</summary><pre class="text sunken" tabIndex={0}>{text}</pre></details>
      {errors.length > 0 && <IssueList issues={errors} />}
    </Dialog>
  );
}

function TextField({ label, value, onInput, note, placeholder, list }: { readonly label: string; readonly value: string; readonly onInput: (text: string) => void; readonly note?: string | undefined; readonly placeholder?: string; readonly list?: string }) {
  return <Field label={label} note={note}><input class="input mono" value={value} placeholder={placeholder} list={list} spellcheck={false} autocomplete="off" onInput={(e) => onInput(e.currentTarget.value)} /></Field>;
}

function Interface({ label, value, onChange, note }: { readonly label: string; readonly value: string; readonly onChange: (name: string) => void; readonly note: string }) {
  const known = host.value.interfaces;
  return (
    <Field label={label} note={note}>
      <select class="input mono" value={value} onChange={(e) => onChange(e.currentTarget.value)}>
        <option value="">any</option>
        {known.map(({ name, addresses }) => <option key={name} value={name}>{name}{addresses[0] === undefined ? '' : ` (${addresses[0]})`}</option>)}
        {value !== '' && !known.some(({ name }) => name === value) && <option value={value}>{value} (not on this host)</option>}
      </select>
    </Field>
  );
}
