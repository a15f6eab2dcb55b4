/** Apply as the pages do it: OK for what is still a draft, the plan to look at, then the apply itself. */
import { signal } from '@preact/signals';
import type { ErrorView, PlanView, StatusView } from '../../src/client/types.ts';
import { api, attempt, endedSignIn, errorView } from './api.ts';
import { base, dirty, drafts, putDocuments } from './documents.ts';
import { refreshStatus, status } from './live.ts';
import { toast } from './toasts.ts';

export interface PendingApply {
  readonly plan: PlanView | null;
  /** Set instead of a plan when the daemon refuses to make one. */
  readonly refused: ErrorView | null;
  readonly etag: string;
  /** What goes on after a good apply, such as the restart of a service; with the words for the button. */
  readonly next: { readonly label: string; readonly run: () => Promise<void> } | null;
}

export const pending = signal<PendingApply | null>(null);
export const busy = signal(false);

/** Opens the plan of what is edited; drafts get their OK first. */
export async function openApply(next: PendingApply['next'] = null): Promise<void> {
  busy.value = true;
  try {
    const names = dirty.peek();
    if (names.length > 0 && !(await putDocuments(Object.fromEntries(names.map((name) => [name, drafts.peek()[name]]))))) return;
    const etag = base.peek()?.etag ?? '';
    try {
      pending.value = { plan: await api.plan(), refused: null, etag, next };
    } catch (error) {
      if (!endedSignIn(error)) pending.value = { plan: null, refused: errorView(error), etag, next };
    }
  } finally {
    busy.value = false;
  }
}

/** Applies what the dialog shows. `confirmMs` null: at once and for good. */
export async function applyNow(confirmMs: number | null): Promise<void> {
  const before = pending.peek();
  if (before === null) return;
  busy.value = true;
  try {
    const result = await api.apply({ ifMatch: before.etag, ...(confirmMs === null ? {} : { confirmMs }) });
    pending.value = null;
    toast({ kind: 'good', text: `Applied: revision ${result.revision} runs.`, detail: result.confirmBy === null ? 'Not saved yet: Setup, Save keeps it over a restart.' : 'It goes back by itself unless you confirm.' });
    await refreshStatus();
    await before.next?.run();
  } catch (error) {
    if (!endedSignIn(error)) pending.value = { ...before, refused: errorView(error) };
  } finally {
    busy.value = false;
    void refreshStatus();
  }
}

/** Saves what runs. */
export async function saveNow(): Promise<void> {
  busy.value = true;
  const saved = await attempt(() => api.save());
  busy.value = false;
  if (saved !== undefined) toast({ kind: 'good', text: `Saved: revision ${saved.revision} comes back after a restart.` });
  await refreshStatus();
}

/** Keeps an apply that would go back by itself. */
export async function confirmNow(): Promise<void> {
  if ((await attempt(async () => { await api.confirm(); return true; })) === true) toast({ kind: 'good', text: 'Confirmed: it stays.' });
  await refreshStatus();
}

/** Returns whether edited and running differ. */
export function editedDiffers(view: StatusView | null = status.value): boolean {
  return view !== null && view.etags.edited !== view.etags.running;
}

/** Returns whether running and saved differ. */
export function savedDiffers(view: StatusView | null = status.value): boolean {
  return view !== null && view.etags.running !== view.etags.saved;
}
