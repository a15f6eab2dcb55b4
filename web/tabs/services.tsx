/** Services: weir's parts, their Setup text, start, stop, restart, reload, and the live log of each. */
import { useEffect, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import type { ServiceAction, ServiceView } from '../../src/client/types.ts';
import { spanText } from '../../src/web/numbers.ts';
import { hasConntrack } from '../../src/web/service-text.ts';
import { ask } from '../parts/ask.tsx';
import { EventLog } from '../parts/event-log.tsx';
import { Close } from '../parts/icons.tsx';
import { State } from '../parts/state.tsx';
import { busy, editedDiffers, openApply } from '../state/apply.ts';
import { api, attempt, isAdmin } from '../state/api.ts';
import { base, dirty, drafts } from '../state/documents.ts';
import { refreshStatus, status } from '../state/live.ts';
import { go, route } from '../state/route.ts';
import { toast } from '../state/toasts.ts';
import { ServiceSetup } from './service-setup.tsx';

const services = signal<readonly ServiceView[] | null>(null);

async function load(): Promise<void> {
  const list = await attempt(() => api.services());
  if (list !== undefined) services.value = list;
}

export function Services() {
  const { setup, log } = route.value.query;
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
        {services.value === null ? <p class="loading" role="status">Reading the services…</p> : (
          <div class="table-box" tabIndex={0} role="region" aria-label="Services, a line each">
            <table class="stacked">
              <thead><tr><th>Service</th><th>State</th><th>What it is</th><th>At start</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
              <tbody>{services.value.map((service) => <Row key={labelOf(service)} service={service} admin={admin} logged={log === labelOf(service)} onSetup={() => setOpen(service)} />)}</tbody>
            </table>
          </div>
        )}
        {admin && <footer>Setup changes the text of a service; Restart makes it take effect.</footer>}
      </section>
      {log !== undefined && services.value !== null && <ServiceLog key={log} service={log} />}
      {open !== null && <ServiceSetup name={open.name} instance={open.instance} onClose={() => setOpen(null)} />}
    </>
  );
}

function labelOf({ name, instance }: Pick<ServiceView, 'name' | 'instance'>): string {
  return instance === null ? name : `${name} ${instance}`;
}

function ServiceLog({ service }: { readonly service: string }) {
  useEffect(() => document.getElementById('service-log')?.scrollIntoView({ block: 'nearest' }), []);
  return (
    <section class="panel" id="service-log" aria-label={`Log of ${service}`}>
      <header><h2 class="grow">Log of {service}</h2><a class="button quiet icon small" href="#/services" aria-label={`Close the log of ${service}`}><Close /></a></header>
      <EventLog service={service} />
    </section>
  );
}

function Row({ service, admin, logged, onSetup }: { readonly service: ServiceView; readonly admin: boolean; readonly logged: boolean; readonly onSetup: () => void }) {
  const { name, instance, state, text, autostart, sinceMs, lastError } = service;
  const label = labelOf(service);
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
      <td class="nowrap full" data-label="At start">{autostart ? 'starts' : 'does not start'}</td>
      <td><div class="row-actions">
        {admin && <button type="button" class="button small" aria-label={`Setup of ${label}`} onClick={onSetup}>Setup</button>}
        {isOurs && <a class="button small" aria-label={`Log of ${label}`} aria-current={logged ? 'true' : undefined} href={logged ? '#/services' : `#/services?log=${encodeURIComponent(label)}`}>Log</a>}
        {admin && isOurs && !running && <button type="button" class="button small" aria-label={`Start ${label}`} onClick={() => void run('start', 'started')}>Start</button>}
        {admin && isOurs && running && name !== 'api' && <>
          <button type="button" class="button small" aria-label={`Restart ${label}`} onClick={restart}>Restart</button>
          <button type="button" class="button small" aria-label={`Reload ${label}`} onClick={() => void run('reload', 'reloaded')}>Reload</button>
          <button type="button" class="button small danger" aria-label={`Stop ${label}`} onClick={stop}>Stop</button>
        </>}
      </div></td>
    </tr>
  );
}
