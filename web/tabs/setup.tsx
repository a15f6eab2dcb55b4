/** Setup: what is edited, running and saved; Save; revisions; the whole configuration as a file; access. */
import { useRef } from 'preact/hooks';
import { joinDocuments, splitDocuments } from '../../src/config/documents.ts';
import { Diff } from '../parts/diff.tsx';
import { busy, editedDiffers, openApply, savedDiffers, saveNow } from '../state/apply.ts';
import { api, attempt, isAdmin } from '../state/api.ts';
import { base, putDocuments } from '../state/documents.ts';
import { status } from '../state/live.ts';
import { toast } from '../state/toasts.ts';
import { Access } from './access.tsx';
import { Revisions, revisions } from './revisions.tsx';

export function Setup() {
  const view = status.value;
  if (view === null) return null;
  const admin = isAdmin();
  const { editedToRunning, runningToSaved } = view.diff;
  return (
    <>
      <div class="page-head"><h1 class="grow">Setup</h1></div>
      <section class="panel" aria-label="Configuration">
        <header><h2 class="grow">Configuration</h2>
          {admin && <div class="actions">
            <button type="button" class="button" disabled={busy.value || !editedDiffers(view)} onClick={() => void discardEdits()}>Discard edits</button>
            <button type="button" class="button" disabled={busy.value || !editedDiffers(view)} onClick={() => void openApply()}>Apply</button>
            <button type="button" class="button primary" disabled={busy.value || !savedDiffers(view) || view.confirmBy !== null} onClick={() => void saveNow()}>Save</button>
          </div>}
        </header>
        <ol class="stages">
          <Stage name="Edited" etag={view.etags.edited} what="what OK keeps" />
          <Between same={!editedDiffers(view)} step="Apply" />
          <Stage name="Running" etag={view.etags.running} what="what balances now" />
          <Between same={!savedDiffers(view)} step="Save" />
          <Stage name="Saved" etag={view.etags.saved} what="what a restart brings" />
        </ol>
        {(editedToRunning !== '' || runningToSaved !== '') && <div class="pad stack">
          {editedToRunning !== '' && <div class="stack-small"><h3>Apply would change</h3><Diff text={editedToRunning} label="Difference from running to edited" /></div>}
          {runningToSaved !== '' && <div class="stack-small"><h3>Save would change</h3><Diff text={runningToSaved} label="Difference from saved to running" /></div>}
        </div>}
      </section>
      <Revisions />
      {revisions.value !== null && <><AsFile /><Access /></>}
    </>
  );
}

/** Makes what runs the edited text again. */
async function discardEdits(): Promise<void> {
  const running = await attempt(() => api.documents('running'));
  const before = base.peek()?.documents;
  if (running === undefined || !(await putDocuments(running.documents))) return;
  toast({ kind: 'good', text: 'The edited text is the running one again.', action: before === undefined ? undefined : { label: 'Undo', run: () => void putDocuments(before) } });
}

function Stage({ name, etag, what }: { readonly name: string; readonly etag: string; readonly what: string }) {
  return <li class="stage"><strong>{name}</strong><code title={etag}>{etag.slice(0, 8)}</code><span class="muted">{what}</span></li>;
}

function Between({ same, step }: { readonly same: boolean; readonly step: string }) {
  return <li class={same ? 'between' : 'between differs'}><span aria-hidden="true">{same ? '=' : '≠'}</span><span>{same ? 'the same' : `differs: ${step}`}</span></li>;
}

function AsFile() {
  const input = useRef<HTMLInputElement>(null);
  const download = async (stage: 'running' | 'saved'): Promise<void> => {
    const view = await attempt(() => api.documents(stage));
    if (view === undefined) return;
    const url = URL.createObjectURL(new Blob([joinDocuments(view.documents)], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `weir-${stage}-${new Date().toISOString().slice(0, 10)}.conf`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  const upload = async (file: File): Promise<void> => {
    const before = base.peek()?.documents;
    if (await putDocuments(splitDocuments(await file.text()))) {
      toast({ kind: 'good', text: `${file.name} is now the edited configuration.`, detail: 'Apply makes it run.', action: before === undefined ? undefined : { label: 'Undo', run: () => void putDocuments(before) } });
    }
  };
  return (
    <section class="panel" aria-label="Configuration as a file">
      <header><h2 class="grow">As a file</h2>
        <div class="actions">
          <button type="button" class="button" onClick={() => void download('running')}>Download running</button>
          <button type="button" class="button" onClick={() => void download('saved')}>Download saved</button>
          {isAdmin() && <button type="button" class="button" onClick={() => input.current?.click()}>Upload…</button>}
          <input ref={input} type="file" accept=".conf,.txt,text/plain" hidden aria-label="Configuration file" onChange={(event) => {
            const [file] = event.currentTarget.files ?? [];
            event.currentTarget.value = '';
            if (file !== undefined) void upload(file);
          }} />
        </div>
      </header>
      <p class="pad muted">One file with all sections. An upload becomes the edited text; nothing of it runs before Apply.</p>
    </section>
  );
}
