/** Services: weir's parts, their Setup text, and start, stop, restart, reload. */
import { useState } from 'preact/hooks';
import type { ServiceAction, ServiceView } from '../../src/client/types.ts';
import { spanText } from '../../src/web/numbers.ts';
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { parseConfig } from '../../src/config/parse.ts';
import { hasConntrack, serviceText, withConntrack, withServiceText } from '../../src/web/service-text.ts';
import { ask } from '../parts/ask.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { Editor } from '../parts/editor.tsx';
import { IssueList } from '../parts/problem.tsx';
import { State } from '../parts/state.tsx';
import { busy, editedDiffers, openApply } from '../state/apply.ts';
import { api, attempt, isAdmin } from '../state/api.ts';
import { base, changeDocument, dirty, drafts } from '../state/documents.ts';
import { refreshStatus, status } from '../state/live.ts';
import { go, route } from '../state/route.ts';
import { toast } from '../state/toasts.ts';

const services = signal<readonly ServiceView[] | null>(null);

async function load(): Promise<void> {
  const list = await attempt(() => api.services());
  if (list !== undefined) services.value = list;
}

export function Services() {
  const setup = route.value.query['setup'];
  const [open, setOpen] = useState<{ readonly name: string; readonly instance: string | null } | null>(null);
  // Each reading of the status is also one of the services.
  const at = status.value;
  useEffect(() => void load(), [at]);
  useEffect(() => {
    if (setup === undefined || base.value === null) return;
    setOpen({ name: setup, instance: null });
    go('#/services');
  }, [setup, base.value]);
  const admin = isAdmin();
  return (
    <>
      <div class="page-head"><h1 class="grow">Services</h1>
        {admin && <div class="actions"><button type="button" class="button primary" disabled={busy.value || (dirty.value.length === 0 && !editedDiffers())} onClick={() => void openApply()}>Apply</button></div>}
      </div>
      <section class="panel" aria-label="Services">
        {services.value === null ? <p class="loading">Reading the services…</p> : (
          <div class="table-box" tabIndex={0} role="region" aria-label="Services, a line each">
            <table class="stacked">
              <thead><tr><th>Service</th><th>State</th><th>What it is</th><th class="wide-only">At start</th>{admin && <th><span class="visually-hidden">Actions</span></th>}</tr></thead>
              <tbody>{services.value.map((service) => <Row key={`${service.name} ${service.instance ?? ''}`} service={service} admin={admin} onSetup={() => setOpen(service)} />)}</tbody>
            </table>
          </div>
        )}
        <footer>Setup changes the text of a service; Restart makes it take effect.</footer>
      </section>
      {open !== null && <SetupDialog name={open.name} instance={open.instance} onClose={() => setOpen(null)} />}
    </>
  );
}

function Row({ service, admin, onSetup }: { readonly service: ServiceView; readonly admin: boolean; readonly onSetup: () => void }) {
  const { name, instance, state, text, autostart, sinceMs, lastError } = service;
  const label = instance === null ? name : `${name} ${instance}`;
  const isOurs = sinceMs > 0;
  const running = state === 'running';
  const run = async (action: ServiceAction, done: string): Promise<void> => {
    const view = await attempt(() => api.service(name, instance, action));
    if (view !== undefined) toast({ kind: 'good', text: `${label} ${done}.` });
    await refreshStatus();
    await load();
  };
  const restart = (): void => {
    // As on the ALOHA page: OK in Setup, then Restart. What was changed runs only by an apply, so its plan comes first.
    if (editedDiffers() || dirty.peek().length > 0) void openApply({ label: `Apply and restart ${label}`, run: () => run('restart', 'restarted') });
    else void run('restart', 'restarted');
  };
  const stop = (): void => ask({
    title: `Stop ${label}`, button: `Stop ${label}`, ...(name === 'lvs' ? { typed: 'lvs' } : {}),
    text: name === 'lvs' ? 'Nothing is balanced while lvs is stopped: every datagram to every director is lost, and live sessions end.' : `${label} does nothing until it is started again.`,
    run: () => run('stop', 'stopped'),
  });
  return (
    <tr>
      <td><strong>{label}</strong>{name === 'lvs' && <span class="sub">conntrack {hasConntrack(drafts.value.services) ? 'on' : 'off'}</span>}</td>
      <td>{isOurs ? <><State word={state} /><span class="sub">{spanText(Date.now() - sinceMs)}</span></> : <span class="muted">not a part of weir</span>}</td>
      <td class="reason">{text}{lastError !== null && <span class="sub bad">last error: {lastError}</span>}</td>
      <td class="nowrap wide-only">{autostart ? 'starts' : 'does not start'}</td>
      {admin && <td><div class="row-actions">
        <button type="button" class="button small" aria-label={`Setup of ${label}`} onClick={onSetup}>Setup</button>
        {isOurs && !running && <button type="button" class="button small" aria-label={`Start ${label}`} onClick={() => void run('start', 'started')}>Start</button>}
        {isOurs && running && name !== 'api' && <>
          <button type="button" class="button small" aria-label={`Restart ${label}`} onClick={restart}>Restart</button>
          <button type="button" class="button small" aria-label={`Reload ${label}`} onClick={() => void run('reload', 'reloaded')}>Reload</button>
          <button type="button" class="button small" aria-label={`Stop ${label}`} onClick={stop}>Stop</button>
        </>}
      </div></td>}
    </tr>
  );
}

function SetupDialog({ name, instance, onClose }: { readonly name: string; readonly instance: string | null; readonly onClose: () => void }) {
  const label = instance === null ? name : `${name} ${instance}`;
  const [text, setText] = useState(() => serviceText(drafts.peek().services, name, instance));
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
      <div class="panel"><Editor document="services" label={`Text of service ${label}`} value={text} issues={issues} short onChange={setText} /></div>
      {issues.length > 0 && <IssueList issues={issues} />}
      <p class="muted">{name === 'lvs' ? 'Keywords: conntrack (NAT rules act on balanced traffic), engine auto|xdp|lvs|userspace, no autostart.' : 'no autostart: it is not started with weir.'} Restart the service after OK.</p>
    </Dialog>
  );
}
