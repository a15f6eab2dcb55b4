/** Makes the userspace engine: the Linux fast path where it works, node:dgram everywhere else. */
import { availableParallelism } from 'node:os';
import type { EngineEvent } from '../engine.ts';
import { UserspaceEngine, type Limits, type Platform, type Predecessor } from './engine.ts';
import { decodeTerms } from './handover.ts';
import { createSharedBuffers, DEFAULT_LIMITS, type SharedBuffers } from './shared.ts';
import { WORKER_HEAP_MB, startWorker } from './workers.ts';

export interface UserspaceOptions {
  readonly onEvent: (event: EngineEvent) => void;
  /** Worker threads, 1..64; by default one for each core. The portable path has one. */
  readonly workers?: number;
  /** Forces node:dgram. */
  readonly portable?: boolean;
  /** Session records over all workers; 2,097,152 by default. */
  readonly maxSessions?: number;
  /** Upstream sockets over all workers; 24,576 by default, less where the limit of open files is lower. */
  readonly maxSockets?: number;
  /** The most that the heap of a worker may hold, in MB; 512 by default. */
  readonly workerHeapMb?: number;
  /** An engine of another process whose sockets, sessions and traffic this one takes over; it says how many workers there are. */
  readonly predecessor?: Predecessor;
}

/** Returns a running userspace engine. Rejects when its workers do not come up, and with HandoverRefused when the predecessor is of another format. */
export async function createUserspaceEngine(options: UserspaceOptions): Promise<UserspaceEngine> {
  const terms = options.predecessor && decodeTerms(options.predecessor.terms);
  const workers = terms?.workers ?? Math.max(1, Math.min(64, options.workers ?? availableParallelism()));
  const limits = { max_sessions: options.maxSessions ?? 2_097_152, max_upstream_sockets: options.maxSockets ?? 24_576 };
  const { platform, buffers } = await choosePlatform(options, { workers, limits, epochNs: terms?.epochNs ?? process.hrtime.bigint() });
  return UserspaceEngine.start(platform, buffers, options.onEvent, options.predecessor);
}

// The fast path is loaded only when wanted: on a system without koffi's native part the import itself fails.
async function choosePlatform({ portable = false, workerHeapMb: heapMb = WORKER_HEAP_MB }: UserspaceOptions, size: { readonly workers: number; readonly limits: Limits; readonly epochNs: bigint }): Promise<{ platform: Platform; buffers: SharedBuffers }> {
  const { workers, limits, epochNs } = size;
  let why = 'it was asked not to be';
  if (!portable) {
    try {
      const { linuxPlatform } = await import('./linux/platform.ts');
      const buffers = createSharedBuffers({ workers, ...DEFAULT_LIMITS }, epochNs);
      return { platform: linuxPlatform(workers, buffers, limits, heapMb), buffers };
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
  }
  const buffers = createSharedBuffers({ workers: 1, ...DEFAULT_LIMITS }, epochNs);
  return { platform: portablePlatform(why, buffers, limits, heapMb), buffers };
}

function portablePlatform(why: string, shared: SharedBuffers, limits: Limits, heapMb: number): Platform {
  return {
    io: 'portable',
    notes: [`node:dgram (the Linux fast path is not in use: ${why})`],
    workers: 1,
    limits: { ...limits },
    startWorker: (index, on) => startWorker({
      heapMb,
      setup: { index, shared, io: 'portable', wakeFd: -1, descriptors: null, listeners: [], maxSessions: limits.max_sessions, maxSockets: limits.max_upstream_sockets },
      wake: () => undefined,
      onRefused: on.refused,
      onDeath: on.death,
    }),
    probeListeners: () => undefined, // node:dgram binds exclusively: a foreign socket is found out by `prepare`
    abandon: () => undefined,
    later: (work, ms) => void setTimeout(work, ms).unref(),
    close: () => undefined,
  };
}

