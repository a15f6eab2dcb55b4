/** Setup: what is edited, running and saved; Save; revisions; the whole configuration as a file; access. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { DocumentsView, RevisionView } from '../../src/client/types.ts';
import { joinDocuments, splitDocuments } from '../../src/config/documents.ts';
import { ask } from '../parts/ask.tsx';
import { Diff } from '../parts/diff.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { busy, editedDiffers, openApply, savedDiffers, saveNow } from '../state/apply.ts';
import { api, attempt, isAdmin } from '../state/api.ts';
import { base, putDocuments } from '../state/documents.ts';
import { refreshStatus, status } from '../state/live.ts';
import { toast } from '../state/toasts.ts';
import { Access } from './access.tsx';

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
      <AsFile />
      <Access />
    </>
  );
}

function Stage({ name, etag, what }: { readonly name: string; readonly etag: string; readonly what: string }) {
  return <li class="stage"><strong>{name}</strong><code title={etag}>{etag.slice(0, 8)}</code><span class="muted">{what}</span></li>;
}

function Between({ same, step }: { readonly same: boolean; readonly step: string }) {
  return <li class={same ? 'between' : 'between differs'}><span aria-hidden="true">{same ? '=' : '≠'}</span><span>{same ? 'the same' : `differs: ${step}`}</span></li>;
}

function Revisions() {
  const [list, setList] = useState<readonly RevisionView[] | null>(null);
  const [shown, setShown] = useState<{ readonly revision: RevisionView; readonly view: DocumentsView } | null>(null);
  const [all, setAll] = useState(false);
  const etags = status.value?.etags;
  const key = `${etags?.running} ${etags?.saved} ${status.value?.confirmBy ?? ''}`;
  useEffect(() => { void attempt(() => api.revisions()).then((found) => { if (found !== undefined) setList(found.toSorted((a, b) => b.revision - a.revision)); }); }, [key]);
  const show = async (revision: RevisionView): Promise<void> => {
    const view = await attempt(() => api.revision(revision.revision));
    if (view !== undefined) setShown({ revision, view });
  };
  const rollBack = ({ revision, atMs }: RevisionView): void => ask({
    title: `Roll back to revision ${revision}`, button: `Roll back to ${revision}`,
    text: `The configuration of ${timeText(atMs)} becomes the edited and the running one at once. What runs now stays in the list, so this can be undone the same way. Save keeps it over a restart.`,
    run: async () => {
      const result = await attempt(() => api.rollback(revision));
      if (result !== undefined) toast({ kind: 'good', text: `Revision ${revision} runs again, as revision ${result.revision}.`, detail: result.moves === 0 ? undefined : `${result.moves} live sessions moved.` });
      await refreshStatus();
    },
  });
  const rows = all ? list ?? [] : (list ?? []).slice(0, 10);
  return (
    <section class="panel" aria-label="Revisions">
      <header><h2 class="grow">Revisions</h2></header>
      {list === null ? <p class="loading">Reading the revisions…</p> : (
        <div class="table-box" tabIndex={0} role="region" aria-label="Revisions, newest first">
          <table>
            <thead><tr><th class="num">No.</th><th>When</th><th>What</th><th>Who</th><th>Content</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
            <tbody>{rows.map((one) => (
              <tr key={one.revision}>
                <td class="num">{one.revision}</td><td class="nowrap">{timeText(one.atMs)}</td><td>{one.what}{one.note !== '' && <span class="sub">{one.note}</span>}</td><td>{one.who}</td>
                <td class="nowrap"><code>{one.etag.slice(0, 8)}</code> {one.etag === etags?.running && <span class="tag">running</span>} {one.etag === etags?.saved && <span class="tag">saved</span>}</td>
                <td><div class="row-actions">
                  <button type="button" class="button small" aria-label={`View revision ${one.revision}`} onClick={() => void show(one)}>View</button>
                  {isAdmin() && one.etag !== etags?.running && <button type="button" class="button small" aria-label={`Roll back to revision ${one.revision}`} onClick={() => rollBack(one)}>Roll back</button>}
                </div></td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
      {list !== null && rows.length < list.length && <footer><button type="button" class="button small" onClick={() => setAll(true)}>Show all {list.length}</button></footer>}
      {shown !== null && (
        <Dialog title={`Revision ${shown.revision.revision}, ${timeText(shown.revision.atMs)}`} size="wide" onClose={() => setShown(null)} footer={<button type="button" class="button" onClick={() => setShown(null)}>Close</button>}>
          <pre class="text sunken" tabIndex={0}>{joinDocuments(shown.view.documents)}</pre>
        </Dialog>
      )}
    </section>
  );
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

/** Returns `2026-11-22 14:03:07`, in the time of the reader. */
export function timeText(ms: number): string {
  return new Date(ms).toLocaleString('sv-SE');
}
