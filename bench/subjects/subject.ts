/** What is measured: a program between clients and servers, or the kernel's own doing. */
import type { Ip } from '../../src/net/ip.ts';
import type { Topology } from '../topology/topology.ts';

/** One subject. */
export interface Subject {
  readonly name: string;
  /** Where the search begins, round trips/s: wrong by any factor costs tries, not truth. */
  readonly guess: number;
  /** Sessions it can be given per second without loss, a low guess: every client is answered once before a rate is tried. */
  readonly sessionsPerSecond: number;
  /** Returns its version, or why it cannot be measured here and what to do about it. */
  version(): { readonly ok: true; readonly version: string } | { readonly ok: false; readonly why: string };
  /** Returns once it is ready for so many clients. Rejects with what it printed when it does not. */
  start(topology: Topology, load: { readonly clients: number }): Promise<RunningSubject>;
}

export interface RunningSubject {
  /** Where clients send. */
  readonly target: { readonly ip: Ip; readonly port: number };
  /** Of the process; null for the kernel. */
  readonly pid: number | null;
  /** Returns how many sessions live now, by the subject's own count; null where it does not tell. */
  readonly sessions: (() => Promise<number>) | null;
  stop(): Promise<void>;
}

/** Guesses for a proxy of sockets. */
export const PROXY = { guess: 16_000, sessionsPerSecond: 8_000 } as const;
/** Guesses for what forwards in the kernel. */
export const KERNEL = { guess: 150_000, sessionsPerSecond: 50_000 } as const;
