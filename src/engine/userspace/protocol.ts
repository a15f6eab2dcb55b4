/** What the main thread and a worker tell each other. Slots index the shared memory. */
import type { DesiredDirector } from '../../plan/desired.ts';
import type { SessionFilter, SessionView } from '../engine.ts';
import type { SharedBuffers } from './shared.ts';

/** Everything a worker is told at its start. */
export interface WorkerSetup {
  readonly index: number;
  readonly shared: SharedBuffers;
  readonly io: 'linux' | 'portable';
  /** eventfd that wakes the worker's epoll; -1 on the portable path. */
  readonly wakeFd: number;
  /** Whose each descriptor is (linux/descriptors.ts); null on the portable path, where Node.js closes what a thread leaves. */
  readonly descriptors: SharedArrayBuffer | null;
  readonly maxSessions: number;
  readonly maxSockets: number;
}

/** A director with the slots the main thread gave it; `serverSlots` is parallel to `director.servers`. */
export interface SlottedDirector {
  readonly slot: number;
  readonly director: DesiredDirector;
  readonly serverSlots: readonly number[];
  /** What a localitybased picker remembers, shared by the workers; made anew when the servers that take part change. */
  readonly locality: SharedArrayBuffer | null;
}

export type ToWorker =
  /** Opens the sockets that the new state needs; nothing else changes. */
  | { readonly type: 'prepare'; readonly id: number; readonly directors: readonly SlottedDirector[] }
  /** Switches to the prepared state. */
  | { readonly type: 'commit'; readonly id: number }
  /** Closes what prepare opened. */
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'sessions'; readonly id: number; readonly filter: SessionFilter; readonly from: number; readonly limit: number }
  | { readonly type: 'purge'; readonly id: number; readonly filter: SessionFilter }
  /** Moves the client's live sessions of the director to the server slot. */
  | { readonly type: 'pin'; readonly id: number; readonly director: string; readonly client: string; readonly serverSlot: number }
  | { readonly type: 'explain'; readonly id: number; readonly client: string; readonly vip: string }
  /** Brings counters that live in the kernel (receive overflow) up to date. */
  | { readonly type: 'refresh'; readonly id: number }
  /** Stops moving datagrams, which wait in their sockets, and gives everything a successor needs. */
  | { readonly type: 'freeze'; readonly id: number }
  /** Goes on after a freeze. */
  | { readonly type: 'thaw'; readonly id: number }
  /** Takes over what another process's worker gave; `fds` are its descriptors as they are called here. Nothing moves before `join`. */
  | { readonly type: 'adopt'; readonly id: number; readonly directors: readonly SlottedDirector[]; readonly state: Uint8Array; readonly fds: readonly number[] }
  | { readonly type: 'join'; readonly id: number }
  | { readonly type: 'stop'; readonly id: number };

/** An explanation by one worker; `session` is set when the client has a live session there. */
export interface WorkerExplanation {
  readonly director: string | null;
  readonly session: string | null;
  readonly server: string | null;
  readonly why: string;
  readonly candidates: readonly { readonly server: string; readonly state: string; readonly weight: number; readonly sessions: number; readonly note: string }[];
}

export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string; readonly cure: string }
  | { readonly type: 'sessions'; readonly id: number; readonly sessions: readonly SessionView[]; readonly next: number }
  | { readonly type: 'purged'; readonly id: number; readonly count: number }
  /** `count` sessions are on the server now; `stayed` could not be moved for want of a port or room. */
  | { readonly type: 'pinned'; readonly id: number; readonly count: number; readonly stayed: number }
  /** `state` refers to sockets by their place in `descriptors`. */
  | { readonly type: 'frozen'; readonly id: number; readonly state: Uint8Array; readonly descriptors: readonly number[] }
  | { readonly type: 'explained'; readonly id: number; readonly explanation: WorkerExplanation }
  | { readonly type: 'refused'; readonly serverSlot: number; readonly detail: string }
  | { readonly type: 'fault'; readonly detail: string };
