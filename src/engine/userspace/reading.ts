/** Sums the workers' stripes of shared memory into the engine's reading. */
import { hostPortText } from '../../net/endpoint.ts';
import { DROP_REASONS, type DropReason } from '../drops.ts';
import type { DirectorReading, Reading, ServerReading } from '../engine.ts';
import { RESPONSE_BUCKETS } from '../response-times.ts';
import type { SlottedDirector } from './protocol.ts';
import { DIRECTOR_COUNTER as D, DIRECTOR_STRIDE, SERVER_COUNTER as S, SERVER_STRIDE, WORKER_COUNTER as W, type SharedViews } from './shared.ts';

/** Returns the counters of all directors; the workers must have been refreshed. */
export function sumReading(shared: SharedViews, directors: readonly SlottedDirector[], epoch: string, atMs: number, extra: Readonly<Record<string, number>>): Reading {
  const worker = (counter: number): number => total(shared.workerCounters, counter);
  return {
    epoch,
    atMs,
    directors: directors.map((d) => directorReading(shared, d)),
    gauges: {
      workers: shared.limits.workers,
      upstream_sockets: worker(W.sockets),
      session_records: worker(W.sessions),
      session_table_capacity: worker(W.tableCapacity),
      wakeups: worker(W.wakeups),
      send_calls: worker(W.sendCalls),
      segmented_datagrams: worker(W.segmented),
      persistence_evictions: worker(W.persistenceEvictions),
      source_rate_evictions: worker(W.sourceEvictions),
      upstream_sockets_refused: worker(W.socketsRefused),
      ...extra,
    },
    drops: { unexpected_reply: worker(W.orphanReplies), receive_overflow: worker(W.upstreamOverflow), no_director: worker(W.noDirector) },
  };
}

function directorReading(shared: SharedViews, { slot, director, serverSlots }: SlottedDirector): DirectorReading {
  const sum = (counter: number): number => total(shared.directorCounters, slot * DIRECTOR_STRIDE + counter);
  const drops: Partial<Record<DropReason, number>> = {};
  for (const reason of DROP_REASONS) drops[reason.name] = sum(D.drops + reason.id);
  return {
    name: director.name,
    packetsIn: sum(D.packetsIn),
    bytesIn: sum(D.bytesIn),
    packetsOut: sum(D.packetsOut),
    bytesOut: sum(D.bytesOut),
    sessions: Math.max(0, Atomics.load(shared.directorSessions, slot)),
    sessionsCreated: sum(D.created),
    drops,
    servers: director.servers.map((server, i) => serverReading(shared, server.name, hostPortText(server.ip, server.port), serverSlots[i])),
  };
}

function serverReading(shared: SharedViews, name: string, address: string, slot: number): ServerReading {
  const sum = (counter: number): number => total(shared.serverCounters, slot * SERVER_STRIDE + counter);
  return {
    name,
    address,
    packetsIn: sum(S.packetsIn),
    bytesIn: sum(S.bytesIn),
    packetsOut: sum(S.packetsOut),
    bytesOut: sum(S.bytesOut),
    sessions: Math.max(0, Atomics.load(shared.live, slot)),
    sessionsCreated: sum(S.created),
    sessionsMoved: sum(S.moved),
    unanswered: sum(S.unanswered),
    icmpErrors: sum(S.icmpErrors),
    responseTimes: Array.from({ length: RESPONSE_BUCKETS }, (_, bucket) => sum(S.responseTimes + bucket)),
  };
}

function total(stripes: readonly Float64Array[], index: number): number {
  let sum = 0;
  for (const stripe of stripes) sum += stripe[index];
  return sum;
}
