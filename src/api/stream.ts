/**
 * Live data as server-sent events (WHATWG HTML 9.2). One subscription to the daemon serves all clients and each message is made into text once.
 * Clients are capped; one that does not read is cut off when its buffer passes the bound, counted, and may come back with Last-Event-ID.
 */
import type { Control } from '../daemon/control.ts';
import type { EventView, SampleView } from '../client/types.ts';
import { ApiFault } from './errors.ts';

/** What the hub needs of a response. */
export interface StreamTarget {
  readonly writableLength: number;
  write(text: string): boolean;
  end(): void;
  destroy(): void;
}

export interface StreamHub {
  /** Adds a client: first the events after `sinceSeq` (null: none), then everything live. Throws ApiFault BUSY at the cap; call `release` when the response closes. */
  reserve(): { readonly start: (target: StreamTarget, sinceSeq: number | null, isLive: () => boolean) => void; readonly release: () => void };
  /** Ends the streams of callers whose sign-in or token is over. */
  recheck(): void;
  readonly counters: { readonly clients: number; readonly opened: number; readonly refused: number; readonly slow: number };
  /** Ends all streams. */
  close(): void;
}

export const HEARTBEAT_MS = 15_000;

/** Returns the hub. Bounds: `maxClients` (64), `maxBufferedBytes` per client (1 MiB; checked before each write), heartbeat each `heartbeatMs` (15 s). */
export function createStreamHub(options: { readonly control: Pick<Control, 'events' | 'subscribe'>; readonly maxClients?: number; readonly maxBufferedBytes?: number; readonly heartbeatMs?: number }): StreamHub {
  const { control, maxClients = 64, maxBufferedBytes = 1024 * 1024, heartbeatMs = HEARTBEAT_MS } = options;
  const clients = new Map<StreamTarget, { readonly isLive: () => boolean }>();
  const counters = { clients: 0, opened: 0, refused: 0, slow: 0 };
  let unsubscribe: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const write = (target: StreamTarget, text: string): void => {
    if (target.writableLength > maxBufferedBytes) {
      counters.slow++;
      clients.delete(target);
      target.destroy();
      return;
    }
    target.write(text);
  };
  const toAll = (text: string): void => {
    for (const target of clients.keys()) write(target, text);
  };
  const recheck = (): void => {
    for (const [target, client] of clients) {
      if (client.isLive()) continue;
      clients.delete(target);
      target.end();
    }
  };
  const begin = (): void => {
    unsubscribe = control.subscribe({ event: (event) => toAll(eventText(event)), sample: (sample) => toAll(sampleText(sample)) });
    timer = setInterval(() => {
      recheck();
      toAll(':\n\n');
    }, heartbeatMs);
    timer.unref();
  };
  const rest = (): void => {
    unsubscribe?.();
    clearInterval(timer);
    unsubscribe = undefined;
  };

  return {
    reserve() {
      if (closed || counters.clients >= maxClients) {
        counters.refused++;
        throw new ApiFault('BUSY', `expected at most ${maxClients} streams at the same time`, { retryAfterS: 15 });
      }
      counters.clients++;
      let mine: StreamTarget | undefined;
      let released = false;
      return {
        start: (target, sinceSeq, isLive) => {
          counters.opened++;
          if (closed) {
            target.end();
            return;
          }
          mine = target;
          // Replay and registration in one turn of the event loop: nothing is missed and nothing comes twice.
          target.write(`retry: 2000\n\n${sinceSeq === null ? '' : control.events(sinceSeq).map(eventText).join('')}`);
          clients.set(target, { isLive });
          if (unsubscribe === undefined) begin();
        },
        release: () => {
          if (released) return;
          released = true;
          counters.clients--;
          if (mine !== undefined) clients.delete(mine);
          if (clients.size === 0) rest();
        },
      };
    },
    recheck,
    counters,
    close() {
      closed = true;
      for (const target of clients.keys()) target.end();
      clients.clear();
      rest();
    },
  };
}

function eventText(event: EventView): string {
  return `id: ${event.seq}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`;
}

function sampleText(sample: SampleView): string {
  return `event: sample\ndata: ${JSON.stringify(sample)}\n\n`;
}
