/** Revisions: who applied and saved what, when; what one would change; and the way back to it. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { DOCUMENT_NAMES, type DocumentsView, type RevisionView } from '../../src/client/types.ts';
import { joinDocuments } from '../../src/config/documents.ts';
import { changedLines } from '../../src/web/merge.ts';
import { ask } from '../parts/ask.tsx';
import { Diff } from '../parts/diff.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { timeText } from '../parts/time.ts';
import { api, attempt, isAdmin } from '../state/api.ts';
import { refreshStatus, status } from '../state/live.ts';
import { toast } from '../state/toasts.ts';

const ROWS = 10;

interface Shown {
  readonly revision: RevisionView;
  readonly view: DocumentsView;
  readonly running: DocumentsView;
}

/** Newest first; null until they have been read. Kept while another tab is shown. */
export const revisions = signal<readonly RevisionView[] | null>(null);

export function Revisions() {
  const list = revisions.value;
  const [shown, setShown] = useState<Shown | null>(null);
  const [all, setAll] = useState(false);
  const etags = status.value?.etags;
  const key = `${etags?.running} ${etags?.saved} ${status.value?.confirmBy ?? ''}`;
  useEffect(() => { void attempt(() => api.revisions()).then((found) => { revisions.value = found?.toSorted((a, b) => b.revision - a.revision) ?? revisions.peek() ?? []; }); }, [key]);
  const show = async (revision: RevisionView): Promise<void> => {
    const both = await attempt(() => Promise.all([api.revision(revision.revision), api.documents('running')]));
    if (both !== undefined) setShown({ revision, view: both[0], running: both[1] });
  };
  const rows = all ? list ?? [] : (list ?? []).slice(0, ROWS);
  return (
    <section class="panel" aria-label="Revisions">
      <header><h2>Revisions</h2></header>
      {list === null ? <p class="loading" role="status">Reading the revisions…</p> : (
        <div class="table-box" tabIndex={0} role="region" aria-label="Revisions, newest first">
          <table class="stacked">
            <thead><tr><th class="num">No.</th><th>When</th><th>What</th><th>Who</th><th>Content</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
            <tbody>{rows.map((one) => (
              <tr key={one.revision}>
                <td class="num" data-label="No."><strong>{one.revision}</strong></td><td class="nowrap">{timeText(one.atMs)}</td><td>{one.what}{one.note !== '' && <span class="sub">{one.note}</span>}</td><td>{one.who}</td>
                <td class="nowrap full"><code>{one.etag.slice(0, 8)}</code> {one.etag === etags?.running && <span class="tag">running</span>} {one.etag === etags?.saved && <span class="tag">saved</span>}</td>
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
      {shown !== null && <RevisionDialog {...shown} onClose={() => setShown(null)} />}
    </section>
  );
}

function rollBack({ revision, atMs }: RevisionView): void {
  ask({
    title: `Roll back to revision ${revision}`, button: `Roll back to ${revision}`,
    text: `The configuration of ${timeText(atMs)} becomes the edited and the running one at once. What runs now stays in the list, so this can be undone the same way. Save keeps it over a restart.`,
    run: async () => {
      const result = await attempt(() => api.rollback(revision));
      if (result !== undefined) toast({ kind: 'good', text: `Revision ${revision} runs again, as revision ${result.revision}.`, detail: result.moves === 0 ? undefined : `${result.moves} live sessions moved.` });
      await refreshStatus();
    },
  });
}

function RevisionDialog({ revision, view, running, onClose }: Shown & { readonly onClose: () => void }) {
  const changed = DOCUMENT_NAMES.map((name) => [name, changedLines(running.documents[name], view.documents[name])] as const).filter(([, text]) => text !== '');
  const isRunning = changed.length === 0;
  return (
    <Dialog title={`Revision ${revision.revision}, ${timeText(revision.atMs)}`} size="wide" onClose={onClose} footer={<>
      {isAdmin() && !isRunning && <button type="button" class="button" onClick={() => { onClose(); rollBack(revision); }}>Roll back…</button>}
      <span class="grow" />
      <button type="button" class="button primary" onClick={onClose}>Close</button>
    </>}>
      <p>{revision.what} by {revision.who}{revision.note === '' ? '' : `: ${revision.note}`}. {isRunning ? 'It is what runs now.' : 'Against what runs now, it has:'}</p>
      {changed.map(([name, text]) => <section key={name}><h3>{name}.conf</h3><Diff text={text} label={`Difference of ${name}.conf from what runs`} /></section>)}
      <details open={isRunning}><summary>The whole text</summary><pre class="text sunken" tabIndex={0}>{joinDocuments(view.documents)}</pre></details>
    </Dialog>
  );
}
