/** The three documents as they are written in this page, on top of what the daemon has as edited. */
import { computed, effect, signal } from '@preact/signals';
import { ApiError } from '../../src/client/client.ts';
import { DOCUMENT_NAMES, type DocumentName, type Documents, type DocumentsView, type HostView } from '../../src/client/types.ts';
import { parseConfig } from '../../src/config/parse.ts';
import type { Issue } from '../../src/config/issue.ts';
import { api, attempt, endedSignIn, errorView } from './api.ts';
import { refreshStatus, status } from './live.ts';
import { toast } from './toasts.ts';

/** What the drafts are based on. */
export const base = signal<DocumentsView | null>(null);
export const drafts = signal<Documents>({ layer4: '', nat: '', services: '' });
/** What somebody else made of the edited documents while this page held changes; null: nothing of the kind. */
export const conflict = signal<DocumentsView | null>(null);
/** Every problem of the drafts, found by the parser the daemon uses. */
export const issues = signal<readonly Issue[]>([]);
export const host = signal<HostView>({ interfaces: [] });

export const dirty = computed<readonly DocumentName[]>(() => {
  const from = base.value?.documents;
  return from === undefined ? [] : DOCUMENT_NAMES.filter((name) => drafts.value[name] !== from[name]);
});

const CHECK_MS = 150;
/** An edit of our own is on its way: its new etag is not somebody else's. */
let writing = false;
let timer: ReturnType<typeof setTimeout> | undefined;

effect(() => {
  const texts = drafts.value;
  clearTimeout(timer);
  timer = setTimeout(() => { issues.value = checkTexts(texts); }, CHECK_MS);
});

// Somebody else's edit shows as another etag in the status.
effect(() => {
  const etag = status.value?.etags.edited;
  const mine = base.peek()?.etag;
  if (etag !== undefined && etag !== mine && !writing) void loadDocuments();
});

/** Returns every problem of these documents. */
export function checkTexts(texts: Documents): readonly Issue[] {
  return parseConfig(DOCUMENT_NAMES.map((document) => ({ file: `${document}.conf`, document, text: texts[document] }))).issues;
}

/** Reads what is edited; drafts without changes follow it, drafts with changes get an offer. */
export async function loadDocuments(): Promise<void> {
  const view = await attempt(() => api.documents('edited'));
  if (view === undefined) return;
  if (base.peek() === null || dirty.peek().length === 0) adopt(view);
  else if (view.etag !== base.peek()?.etag) {
    const touched = dirty.peek().some((name) => view.documents[name] !== base.peek()?.documents[name]);
    if (touched) conflict.value = view;
    else rebase(view);
  }
}

export async function loadHost(): Promise<void> {
  const view = await attempt(() => api.host());
  if (view !== undefined) host.value = view;
}

export function setDraft(name: DocumentName, text: string): void {
  if (drafts.peek()[name] !== text) drafts.value = { ...drafts.peek(), [name]: text };
}

/** OK: makes these texts the edited ones. False when refused: the reason has been told, or the offer to merge is open. */
export async function putDocuments(patch: Partial<Documents>): Promise<boolean> {
  const from = base.peek();
  if (from === null) return false;
  writing = true;
  try {
    const { etag } = await api.edit(patch, { ifMatch: from.etag });
    base.value = { stage: 'edited', etag, documents: { ...from.documents, ...patch } };
    drafts.value = { ...drafts.peek(), ...patch };
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 412) {
      drafts.value = { ...drafts.peek(), ...patch };
      const theirs = await attempt(() => api.documents('edited'));
      if (theirs !== undefined) conflict.value = theirs;
    } else if (!endedSignIn(error)) {
      const { message, cure } = errorView(error);
      toast({ kind: 'bad', text: message, detail: cure });
    }
    return false;
  } finally {
    writing = false;
    void refreshStatus();
  }
}

/** OK for one document as it is drafted. */
export async function acceptDraft(name: DocumentName): Promise<boolean> {
  const ok = await putDocuments({ [name]: drafts.peek()[name] });
  if (ok) toast({ kind: 'good', text: 'OK: kept as edited. Apply makes it run.' });
  return ok;
}

/** Changes a document by a form: accepted at once, with a way back. */
export async function changeDocument(name: DocumentName, text: string, told: string): Promise<boolean> {
  const before = drafts.peek()[name];
  const ok = await putDocuments({ [name]: text });
  if (ok) toast({ kind: 'good', text: told, detail: 'Edited; Apply makes it run.', action: { label: 'Undo', run: () => void putDocuments({ [name]: before }) } });
  return ok;
}

/** Throws away what was written here since OK. */
export function revertDraft(name: DocumentName): void {
  const from = base.peek();
  if (from !== null) setDraft(name, from.documents[name]);
}

/** Takes the daemon's documents, losing drafts. */
export function adopt(view: DocumentsView): void {
  base.value = view;
  drafts.value = view.documents;
  conflict.value = null;
}

/** Puts the drafts on top of a newer base: documents changed here stay as drafted, the others follow. */
export function rebase(view: DocumentsView, merged: Partial<Documents> = {}): void {
  const mine = dirty.peek();
  const kept = Object.fromEntries(mine.map((name) => [name, merged[name] ?? drafts.peek()[name]]));
  base.value = view;
  drafts.value = { ...view.documents, ...kept };
  conflict.value = null;
}
