/** What is around every tab: the tabs, who is signed in, what differs and what is wrong, dialogs and messages. */
import { useEffect } from 'preact/hooks';
import { api, attempt, me } from '../state/api.ts';
import { dirty } from '../state/documents.ts';
import { status } from '../state/live.ts';
import { TABS, route } from '../state/route.ts';
import { nextTheme, theme } from '../state/theme.ts';
import { closeToast, toasts } from '../state/toasts.ts';
import { Director } from '../tabs/director.tsx';
import { Layer4 } from '../tabs/layer4.tsx';
import { Logs } from '../tabs/logs.tsx';
import { Nat } from '../tabs/nat.tsx';
import { Overview } from '../tabs/overview.tsx';
import { Services } from '../tabs/services.tsx';
import { Sessions } from '../tabs/sessions.tsx';
import { Setup } from '../tabs/setup.tsx';
import { ApplyDialog } from './apply-dialog.tsx';
import { AskDialog } from './ask.tsx';
import { Banners } from './banners.tsx';
import { ConflictDialog } from './conflict-dialog.tsx';
import { Close, Logo, Theme } from './icons.tsx';

export function Shell() {
  const { tab, name } = route.value;
  const label = name ?? TABS.find((one) => one.tab === tab)?.label ?? '';
  const down = (status.value?.directors ?? []).reduce((sum, { servers }) => sum + servers.filter(({ state }) => state === 'down').length, 0);
  // What is down shows in a tab that nobody looks at, too.
  useEffect(() => { document.title = `${down === 0 ? '' : `(${down} down) `}${label} · weir`; }, [label, down]);
  useEffect(() => document.querySelector('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' }), [tab]);
  useWarningOnLeave();
  return (
    <div class="shell">
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById('content')?.focus(); }}>Skip to the page</a>
      <header class="topbar">
        <div class="topbar-row">
          <a class="brand" href="#/overview" aria-label="weir, overview"><Logo />weir</a>
          <nav class="tabs" aria-label="Tabs">
            {TABS.map((one) => (
              <a key={one.tab} href={`#/${one.tab}`} aria-current={one.tab === tab ? 'page' : undefined}>
                {one.label}{dirty.value.some((document) => document === one.tab) && <><span class="dot" /><span class="visually-hidden">, written and not OK yet</span></>}
              </a>
            ))}
          </nav>
          <div class="who">
            <button type="button" class="button quiet icon" aria-label={`Colours: ${theme.value}`} title={`Colours: ${theme.value}`} onClick={nextTheme}><Theme /></button>
            <span class="muted hide-narrow nowrap">{me.value?.who.replace(/ \(.*$/, '')} {me.value?.role === 'viewer' && <span class="tag">viewer</span>}</span>
            <button type="button" class="button small" onClick={() => void attempt(async () => { await api.signOut(); me.value = null; })}>Sign out</button>
          </div>
        </div>
      </header>
      <main class="content" id="content" tabIndex={-1}>
        <Banners />
        {status.value === null ? <p class="loading" role="status">Reading the state of the balancer…</p> : <Page />}
      </main>
      <ApplyDialog />
      <ConflictDialog />
      <AskDialog />
      <div class="toasts" role="status" aria-live="polite">
        {toasts.value.map(({ id, kind, text, detail, action }) => (
          <div key={id} class={`toast ${kind}`}>
            <div class="grow"><strong>{text}</strong>{detail !== undefined && <div class="muted">{detail}</div>}</div>
            {action !== undefined && <button type="button" class="button small" onClick={() => { closeToast(id); action.run(); }}>{action.label}</button>}
            <button type="button" class="button quiet icon small" aria-label="Close the message" onClick={() => closeToast(id)}><Close /></button>
          </div>
        ))}
      </div>
    </div>
  );
}

function Page() {
  const { tab, name } = route.value;
  if (name !== null) return <Director key={name} name={name} />;
  switch (tab) {
    case 'overview': return <Overview />;
    case 'layer4': return <Layer4 />;
    case 'nat': return <Nat />;
    case 'services': return <Services />;
    case 'setup': return <Setup />;
    case 'sessions': return <Sessions key={JSON.stringify(route.value.query)} />;
    case 'logs': return <Logs />;
    default: return tab satisfies never;
  }
}

/** The browser asks before a page with text that is not OK yet is left. */
function useWarningOnLeave(): void {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent): void => { if (dirty.peek().length > 0) event.preventDefault(); };
    addEventListener('beforeunload', warn);
    return () => removeEventListener('beforeunload', warn);
  }, []);
}
