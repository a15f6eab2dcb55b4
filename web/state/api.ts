/** The one client of the pages, who is signed in, and how a refused call is told. */
import { signal } from '@preact/signals';
import { ApiError, createClient } from '../../src/client/client.ts';
import type { ErrorView, SignInView } from '../../src/client/types.ts';
import { toast } from './toasts.ts';

export const api = createClient({ baseUrl: '' });

/** Undefined until known, null when nobody is signed in. */
export const me = signal<SignInView | null | undefined>(undefined);
/** Why the sign-in page is shown, when it was not asked for. */
export const signedOutBecause = signal<string | null>(null);

/** True when the pages may change things. */
export function isAdmin(): boolean {
  return me.value?.role === 'admin';
}

/** Returns the daemon's words for a failure. */
export function errorView(error: unknown): ErrorView {
  if (error instanceof ApiError) return error.view;
  return { code: 'PAGE', message: error instanceof Error ? error.message : String(error) };
}

/** Notes that the sign-in is over when that is what the error says; returns whether it was. */
export function endedSignIn(error: unknown): boolean {
  if (!(error instanceof ApiError) || error.status !== 401) return false;
  if (me.peek() !== null) signedOutBecause.value = error.view.message;
  me.value = null;
  return true;
}

/** Runs a call; a refusal becomes a toast and the result undefined. */
export async function attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!endedSignIn(error)) {
      const { message, cure } = errorView(error);
      toast({ kind: 'bad', text: message, detail: cure });
    }
    return undefined;
  }
}
