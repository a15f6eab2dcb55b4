/** The event log: a bounded list for readers, a call for subscribers, and the audit log for what people did. */
import type { EventView, SampleView } from '../client/types.ts';
import type { Clock } from '../clock/clock.ts';
import { createRing } from '../stats/ring.ts';
import type { AuditEntry } from '../store/audit.ts';

export interface NewEvent {
  readonly kind: string;
  /** Who did it; `weir` for the daemon itself. */
  readonly who: string;
  readonly text: string;
  readonly director?: string;
  readonly server?: string;
  /** The service whose log it stands in, its instance after a space. */
  readonly service?: string;
  /** Writes it to the audit log too. */
  readonly audit?: boolean;
}

export interface Listener {
  event?(event: EventView): void;
  sample?(sample: SampleView): void;
}

export interface EventLog {
  add(event: NewEvent): void;
  /** Events newer than `sinceSeq`, oldest first; all of them when `sinceSeq` is from an earlier life of the daemon. */
  since(sinceSeq: number): readonly EventView[];
  sample(sample: SampleView): void;
  subscribe(listener: Listener): () => void;
  /** Resolves when what was added before is in the audit log, or has failed. */
  flush(): Promise<void>;
}

const MAX_EVENTS = 10_000;
const MAX_LISTENERS = 1000;
const MAX_AUDIT_WAITING = 1000;
const MAX_TEXT = 2000;

/** Returns an empty log. `audit` failing is itself an event, once until it works again. */
export function createEventLog(options: { readonly clock: Clock; readonly audit: (entry: AuditEntry) => Promise<void> }): EventLog {
  const ring = createRing<EventView>({ maxCost: MAX_EVENTS });
  const listeners = new Set<Listener>();
  let seq = 0;
  let waiting = 0;
  let auditBroken = false;
  let tail: Promise<void> = Promise.resolve();

  function tell(call: (listener: Listener) => void): void {
    for (const listener of listeners) {
      try {
        call(listener);
      } catch {
        // A reader that cannot listen loses its stream, not the daemon its loop.
        listeners.delete(listener);
      }
    }
  }

  function add(event: NewEvent): void {
    const atMs = options.clock.now();
    const text = event.text.length <= MAX_TEXT ? event.text : `${event.text.slice(0, MAX_TEXT)}…`;
    const place = {
      ...(event.director === undefined ? {} : { director: event.director }), ...(event.server === undefined ? {} : { server: event.server }),
      ...(event.service === undefined ? {} : { service: event.service }),
    };
    const view: EventView = Object.freeze({ seq: ++seq, atMs, kind: event.kind, who: event.who, text, ...place });
    ring.push(view);
    tell((listener) => listener.event?.(view));
    if (event.audit) record({ atMs, kind: event.kind, who: event.who, text, ...place });
  }

  function record(entry: AuditEntry): void {
    if (waiting >= MAX_AUDIT_WAITING) return broken(new Error(`${waiting} entries wait for the disk; this one is not recorded`));
    waiting++;
    tail = tail
      .then(() => options.audit(entry))
      .then(
        () => {
          auditBroken = false;
        },
        (error: unknown) => broken(error),
      )
      .finally(() => {
        waiting--;
      });
  }

  function broken(error: unknown): void {
    if (auditBroken) return;
    auditBroken = true;
    add({ kind: 'audit-failed', who: 'weir', text: `the audit log could not be written: ${error instanceof Error ? error.message : String(error)}` });
  }

  return {
    add,
    since: (sinceSeq) => (sinceSeq > seq ? ring.list() : ring.list().filter((e) => e.seq > sinceSeq)),
    sample: (sample) => tell((listener) => listener.sample?.(sample)),
    subscribe(listener) {
      if (listeners.size >= MAX_LISTENERS) throw new RangeError(`${MAX_LISTENERS} streams are open; close some first`);
      // Its own object, so that one listener may subscribe twice.
      const own: Listener = { event: (e) => listener.event?.(e), sample: (s) => listener.sample?.(s) };
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    flush: () => tail,
  };
}
