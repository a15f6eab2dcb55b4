/**
 * The counts that all workers share and each worker changes: what algorithms look at (active), live sessions, records that still name a
 * server (refs), sessions of a director. Each worker keeps its own part aside, so that `disownWorker` can take it back if the worker dies.
 */
import type { SharedViews } from './shared.ts';

export class Counts {
  readonly #shared: SharedViews;
  readonly #own: Int32Array;
  readonly #servers: number;

  constructor(shared: SharedViews, worker: number) {
    this.#shared = shared;
    this.#own = shared.own[worker];
    this.#servers = shared.limits.servers;
  }

  active(serverSlot: number, delta: number): void {
    Atomics.add(this.#shared.active, serverSlot, delta);
    this.#own[serverSlot] += delta;
  }

  live(serverSlot: number, delta: number): void {
    Atomics.add(this.#shared.live, serverSlot, delta);
    this.#own[this.#servers + serverSlot] += delta;
  }

  refs(serverSlot: number, delta: number): void {
    Atomics.add(this.#shared.refs, serverSlot, delta);
    this.#own[this.#servers * 2 + serverSlot] += delta;
  }

  /** Returns how many sessions the director had before. */
  sessions(directorSlot: number, delta: number): number {
    this.#own[this.#servers * 3 + directorSlot] += delta;
    return Atomics.add(this.#shared.directorSessions, directorSlot, delta);
  }
}

/** Takes back what a worker that died had added to the counts; its sessions are gone with it. */
export function disownWorker(shared: SharedViews, worker: number): void {
  const own = shared.own[worker];
  const { servers } = shared.limits;
  const stretches = [shared.active, shared.live, shared.refs, shared.directorSessions];
  own.forEach((count, i) => {
    if (count !== 0) Atomics.sub(stretches[Math.min(3, Math.floor(i / servers))], i < servers * 3 ? i % servers : i - servers * 3, count);
  });
  own.fill(0);
}
