/**
 * The memory that the main thread and all workers share. Workers own their stripe of the counters and write it without
 * atomics; what the algorithms need to agree on across workers (active counts, rotation, evidence) is touched by Atomics only.
 * Slots are handed out by the main thread: a director slot per director, a server slot per server of a director.
 */
import { DROP_REASONS } from '../drops.ts';
import { RESPONSE_BUCKETS } from '../response-times.ts';

/** Counters of one server slot in one worker's stripe, then one per bucket of response times; Float64, exact to 2^53. */
export const SERVER_COUNTER = {
  packetsIn: 0, bytesIn: 1, packetsOut: 2, bytesOut: 3, created: 4, moved: 5, unanswered: 6, icmpErrors: 7, responseTimes: 8,
} as const;
export const SERVER_STRIDE = SERVER_COUNTER.responseTimes + RESPONSE_BUCKETS;

/** Counters of one director slot: traffic, sessions created, then one per drop reason. */
export const DIRECTOR_COUNTER = { packetsIn: 0, bytesIn: 1, packetsOut: 2, bytesOut: 3, created: 4, drops: 5 } as const;
export const DIRECTOR_STRIDE = 5 + 16;
if (DROP_REASONS.length > DIRECTOR_STRIDE - DIRECTOR_COUNTER.drops) throw new Error('DIRECTOR_STRIDE is too small for DROP_REASONS');

/** Gauges and counters of a worker itself. */
export const WORKER_COUNTER = {
  sockets: 0, sessions: 1, tableCapacity: 2, wakeups: 3, batches: 4, orphanReplies: 5, persistenceEvictions: 6, socketsRefused: 7, heartbeat: 8,
  sendCalls: 9, segmented: 10, upstreamOverflow: 11, noDirector: 12, sourceEvictions: 13,
} as const;
export const WORKER_STRIDE = 16;

export interface SharedLimits {
  readonly workers: number;
  readonly directors: number;
  readonly servers: number;
  /** Entries of each of the two address tables, persistence and source rates; a power of two. */
  readonly persistence: number;
}

export const DEFAULT_LIMITS = { directors: 2048, servers: 32_768, persistence: 65_536 } as const;

/** The buffers behind it all; pass to a Worker and give to `sharedViews` there. */
export interface SharedBuffers {
  readonly limits: SharedLimits;
  /** Monotonic nanoseconds (process.hrtime) that all times of the engine count from: the same in every thread, and in a successor's process. */
  readonly epochNs: bigint;
  readonly counters: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  readonly persistence: SharedArrayBuffer;
  readonly sources: SharedArrayBuffer;
}

export interface SharedViews {
  readonly limits: SharedLimits;
  readonly epochNs: bigint;
  /** Per worker: `serverCounters[worker][slot * SERVER_STRIDE + SERVER_COUNTER.x]`, and likewise. */
  readonly serverCounters: readonly Float64Array[];
  readonly directorCounters: readonly Float64Array[];
  readonly workerCounters: readonly Float64Array[];
  /** Per server slot: what leastconn and its kin look at: sessions, or outstanding requests of request-reply. */
  readonly active: Int32Array;
  /** Per server slot: live sessions. */
  readonly live: Int32Array;
  /** Per server slot: session records that still name it, lingering ones included; the slot may be reused at 0. */
  readonly refs: Int32Array;
  /** Per server slot: decisecond since `epochNs` until which evidence (ICMP) blocks it. */
  readonly blockedUntil: Int32Array;
  /** Per worker, what it added to active, live, refs (a stretch of servers each) and directorSessions: taken back if it dies. */
  readonly own: readonly Int32Array[];
  /** Per director slot. */
  readonly directorSessions: Int32Array;
  readonly rotation: Int32Array;
  /** Per director slot: the second of the engine's clock that `rateCount` counts new sessions in. Not handed over: a second's worth. */
  readonly rateSecond: Int32Array;
  readonly rateCount: Int32Array;
  readonly persistence: Int32Array;
  readonly sources: Int32Array;
}

/** Entries of the address tables are ADDRESS_STRIDE words: owner (director slot + 1, 0 = free), address x4, number, expiry in deciseconds, spare. */
export const ADDRESS_STRIDE = 8;

/** Returns what to add to performance.now() of this thread for milliseconds since the shared epoch. */
export function clockOffset(epochNs: bigint): number {
  return Number(process.hrtime.bigint() - epochNs) / 1e6 - performance.now();
}

/** Returns freshly zeroed buffers for `limits`. */
export function createSharedBuffers(limits: SharedLimits, epochNs: bigint): SharedBuffers {
  // One lock word per bucket of four entries stands in front of a table.
  const table = (): SharedArrayBuffer => new SharedArrayBuffer((limits.persistence / 4 + limits.persistence * ADDRESS_STRIDE) * 4);
  const perWorker = limits.servers * SERVER_STRIDE + limits.directors * DIRECTOR_STRIDE + WORKER_STRIDE;
  return {
    limits,
    epochNs,
    counters: new SharedArrayBuffer(limits.workers * perWorker * 8),
    words: new SharedArrayBuffer((limits.servers * 4 + limits.directors * 4 + limits.workers * ownLength(limits)) * 4),
    persistence: table(),
    sources: table(),
  };
}

/** Returns typed views onto the buffers. */
export function sharedViews(buffers: SharedBuffers): SharedViews {
  const { limits } = buffers;
  const serverCounters: Float64Array[] = [];
  const directorCounters: Float64Array[] = [];
  const workerCounters: Float64Array[] = [];
  let at = 0;
  const take = (length: number): Float64Array => {
    const view = new Float64Array(buffers.counters, at, length);
    at += length * 8;
    return view;
  };
  for (let w = 0; w < limits.workers; w++) {
    serverCounters.push(take(limits.servers * SERVER_STRIDE));
    directorCounters.push(take(limits.directors * DIRECTOR_STRIDE));
    workerCounters.push(take(WORKER_STRIDE));
  }
  const word = (index: number, length: number): Int32Array => new Int32Array(buffers.words, index * 4, length);
  const { servers: s, directors: d } = limits;
  return {
    limits,
    epochNs: buffers.epochNs,
    serverCounters,
    directorCounters,
    workerCounters,
    active: word(0, s),
    live: word(s, s),
    refs: word(2 * s, s),
    blockedUntil: word(3 * s, s),
    own: Array.from({ length: limits.workers }, (_, w) => word(4 * s + 4 * d + w * ownLength(limits), ownLength(limits))),
    directorSessions: word(4 * s, d),
    rotation: word(4 * s + d, d),
    rateSecond: word(4 * s + 2 * d, d),
    rateCount: word(4 * s + 3 * d, d),
    persistence: new Int32Array(buffers.persistence),
    sources: new Int32Array(buffers.sources),
  };
}

function ownLength(limits: SharedLimits): number {
  return limits.servers * 3 + limits.directors;
}

/** The shared memory as a successor gets it: only slots below `servers` and `directors` are in use. */
export interface SharedHandover {
  readonly servers: number;
  readonly directors: number;
  readonly serverCounters: readonly Float64Array[];
  readonly directorCounters: readonly Float64Array[];
  readonly workerCounters: readonly Float64Array[];
  readonly active: Int32Array;
  readonly live: Int32Array;
  readonly refs: Int32Array;
  readonly blockedUntil: Int32Array;
  readonly directorSessions: Int32Array;
  readonly rotation: Int32Array;
  readonly own: readonly Int32Array[];
  readonly persistence: Int32Array;
}

/** Returns a copy of the memory as far as `servers` and `directors` slots are in use. No worker may change it meanwhile. */
export function handOverShared(shared: SharedViews, servers: number, directors: number): SharedHandover {
  const perServer = (view: Int32Array): Int32Array => Int32Array.from(view.subarray(0, servers));
  const copies = (views: readonly Float64Array[], length: number): Float64Array[] => views.map((view) => Float64Array.from(view.subarray(0, length)));
  return {
    servers,
    directors,
    serverCounters: copies(shared.serverCounters, servers * SERVER_STRIDE),
    directorCounters: copies(shared.directorCounters, directors * DIRECTOR_STRIDE),
    workerCounters: copies(shared.workerCounters, WORKER_STRIDE),
    active: perServer(shared.active),
    live: perServer(shared.live),
    refs: perServer(shared.refs),
    blockedUntil: perServer(shared.blockedUntil),
    directorSessions: Int32Array.from(shared.directorSessions.subarray(0, directors)),
    rotation: Int32Array.from(shared.rotation.subarray(0, directors)),
    own: shared.own.map((view) => Int32Array.from(view)),
    persistence: Int32Array.from(shared.persistence),
  };
}

/** Fills fresh memory of the same limits with what was handed over. */
export function adoptShared(shared: SharedViews, handover: SharedHandover): void {
  shared.serverCounters.forEach((view, w) => view.set(handover.serverCounters[w]!));
  shared.directorCounters.forEach((view, w) => view.set(handover.directorCounters[w]!));
  shared.workerCounters.forEach((view, w) => view.set(handover.workerCounters[w]!));
  for (const name of ['active', 'live', 'refs', 'blockedUntil', 'directorSessions', 'rotation', 'persistence'] as const) shared[name].set(handover[name]);
  shared.own.forEach((view, w) => view.set(handover.own[w]!));
}
