/** The pages: who is signed in decides between the sign-in and the shell. */
import { effect } from '@preact/signals';
import { render } from 'preact';
import { SignIn } from './parts/sign-in.tsx';
import { Shell } from './parts/shell.tsx';
import { ApiError } from '../src/client/client.ts';
import { api, errorView, me, signedOutBecause } from './state/api.ts';
import { loadDocuments, loadHost } from './state/documents.ts';
import { startLive, stopLive } from './state/live.ts';
import { applyTheme } from './state/theme.ts';

applyTheme();

let who: string | null = null;
effect(() => {
  const now = me.value?.who ?? null;
  if (now === who) return;
  who = now;
  if (now === null) return stopLive();
  startLive();
  void loadDocuments();
  void loadHost();
});

function App() {
  if (me.value === undefined) return <p class="loading" role="status">Asking the daemon…</p>;
  return me.value === null ? <SignIn /> : <Shell />;
}

async function begin(): Promise<void> {
  try {
    me.value = await api.signedIn();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) signedOutBecause.value = errorView(error).message;
    me.value = null;
  }
}

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
void begin();
