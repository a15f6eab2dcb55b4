/** Logs: what happened: servers up and down with reasons, applies, sign-ins. */
import { EventLog } from '../parts/event-log.tsx';

export function Logs() {
  return (
    <>
      <div class="page-head"><h1>Logs</h1></div>
      <section class="panel" aria-label="Events"><EventLog service={null} /></section>
    </>
  );
}
