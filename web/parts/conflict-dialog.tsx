/** Two people edited at once: what the other made of it, and the three ways on. */
import { signal } from '@preact/signals';
import { DOCUMENT_NAMES, type Documents, type DocumentsView } from '../../src/client/types.ts';
import { changedLines, merge3 } from '../../src/web/merge.ts';
import { adopt, base, conflict, dirty, drafts, rebase, setDraft } from '../state/documents.ts';
import { toast } from '../state/toasts.ts';
import { Dialog } from './dialog.tsx';
import { Diff } from './diff.tsx';

/** The answer "later" for one state of theirs. */
export const later = signal('');

export function ConflictDialog() {
  const theirs = conflict.value;
  const from = base.value;
  if (theirs === null || from === null || later.value === theirs.etag) return null;
  const { merged, clash } = mergeAll(from.documents, theirs);
  const close = (): void => { later.value = theirs.etag; };
  const take = (documents: Partial<Documents>, told: string): void => {
    rebase(theirs, documents);
    toast({ kind: 'info', text: told, detail: 'Look it over, then OK.' });
  };
  const takeTheirs = (): void => {
    const mine = drafts.peek();
    const changed = dirty.peek();
    adopt(theirs);
    toast({ kind: 'info', text: 'Their text is here now.', action: { label: 'Bring mine back', run: () => changed.forEach((name) => setDraft(name, mine[name])) } });
  };
  return (
    <Dialog title="Somebody else edited this too" onClose={close} footer={<>
      <button type="button" class="button" onClick={close}>Later</button>
      <span class="grow" />
      <button type="button" class="button danger" onClick={takeTheirs}>Take theirs, drop mine</button>
      <button type="button" class="button" onClick={() => take({}, 'Your text stands on top of theirs.')}>Keep mine</button>
      <button type="button" class="button primary" disabled={clash.length > 0} onClick={() => take(merged, 'Both changes are in the text.')}>Merge both</button>
    </>}>
      <p>The edited configuration changed while you wrote. Nothing of yours is lost, and nothing was overwritten.</p>
      {clash.length > 0 && <p>Both of you changed the same lines of {clash.map((name) => `${name}.conf`).join(' and ')}, so they cannot be merged by themselves.</p>}
      {DOCUMENT_NAMES.filter((name) => theirs.documents[name] !== from.documents[name]).map((name) => (
        <section key={name}><h3>Theirs: {name}.conf</h3><Diff text={changedLines(from.documents[name], theirs.documents[name])} label={`What the other changed in ${name}.conf`} /></section>
      ))}
      {dirty.value.map((name) => (
        <section key={name}><h3>Yours: {name}.conf</h3><Diff text={changedLines(from.documents[name], drafts.value[name])} label={`What you changed in ${name}.conf`} /></section>
      ))}
    </Dialog>
  );
}

function mergeAll(from: Documents, theirs: DocumentsView): { readonly merged: Partial<Documents>; readonly clash: readonly string[] } {
  const results = dirty.value.map((name) => [name, merge3(from[name], drafts.value[name], theirs.documents[name])] as const);
  return { merged: Object.fromEntries(results.filter(([, text]) => text !== null)), clash: results.filter(([, text]) => text === null).map(([name]) => name) };
}
