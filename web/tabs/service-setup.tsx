/** The Setup of one service: its section as text, and whether it starts with weir. */
import { useSignal } from '@preact/signals';
import { parseConfig } from '../../src/config/parse.ts';
import { hasConntrack, serviceText, startsWithWeir, withAutostart, withConntrack, withServiceText } from '../../src/web/service-text.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Editor } from '../parts/editor.tsx';
import { IssueList } from '../parts/problem.tsx';
import { changeDocument, drafts } from '../state/documents.ts';

export function ServiceSetup({ name, instance, onClose }: { readonly name: string; readonly instance: string | null; readonly onClose: () => void }) {
  const label = instance === null ? name : `${name} ${instance}`;
  const draft = useSignal(serviceText(drafts.peek().services, name, instance));
  const text = draft.value;
  const setText = (changed: string): void => { draft.value = changed; };
  const { issues } = parseConfig([{ file: 'services.conf', document: 'services', text }]);
  const errors = issues.some(({ severity }) => severity === 'error');
  const bare = text.trim() === `service ${label}`;
  const store = async (): Promise<void> => {
    if (await changeDocument('services', withServiceText(drafts.peek().services, name, instance, bare ? '' : text), `Setup of ${label} changed.`)) onClose();
  };
  return (
    <Dialog title={`Setup: service ${label}`} onClose={onClose} footer={<>
      {name === 'lvs' && !hasConntrack(text) && <button type="button" class="button" onClick={() => setText(withConntrack(text))}>Add conntrack</button>}
      <span class="grow" />
      <button type="button" class="button" onClick={onClose}>Cancel</button>
      <button type="button" class="button primary" disabled={errors} onClick={() => void store()}>OK</button>
    </>}>
      <div class="panel"><Editor document="services" label={`Text of service ${label}`} value={text} current={() => draft.peek()} issues={issues} short onChange={setText} /></div>
      {issues.length > 0 && <IssueList issues={issues} />}
      {name !== 'api' && <label class="check"><input type="checkbox" checked={startsWithWeir(text)} onChange={(e) => setText(withAutostart(text, e.currentTarget.checked))} />Start it with weir</label>}
      <p class="muted">{name === 'lvs' ? 'Keywords: conntrack (NAT rules act on balanced traffic), engine auto|xdp|lvs|userspace, no autostart. ' : ''}Restart the service after OK.</p>
    </Dialog>
  );
}
