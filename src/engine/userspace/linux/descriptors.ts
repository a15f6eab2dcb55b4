/**
 * Which worker each open descriptor belongs to, in memory that all threads share: a thread that dies closes nothing. Its listeners would go on to
 * take their share of the datagrams (SO_REUSEPORT) with nobody to read them, so they are kept for the thread that takes its place: closed
 * and opened anew they would change the order of the group, and with it the listener of every client (net/core/sock_reuseport.c).
 * A worker writes its own entries, the main thread reads those of a dead one.
 */

/** Descriptors beyond this number are not kept: the kernel's own bound is higher, the engine's caps are far below. */
const MOST = 1 << 20;

/** Returns the table for a process that may have `limit` descriptors. */
export function descriptorTable(limit: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.min(limit, MOST));
}

/** One worker's view of the table. */
export class Descriptors {
  readonly #owners: Uint8Array;
  readonly #mark: number;
  readonly #listenerMark: number;

  constructor(table: SharedArrayBuffer, worker: number) {
    this.#owners = new Uint8Array(table);
    this.#mark = 2 * worker + 1;
    this.#listenerMark = 2 * worker + 2;
  }

  /** Notes that the worker has opened a descriptor; returns it. A failed open (-1) is passed on. */
  take(fd: number, what: 'listener' | 'other'): number {
    if (fd >= 0 && fd < this.#owners.length) this.#owners[fd] = what === 'listener' ? this.#listenerMark : this.#mark;
    return fd;
  }

  /** Notes that the worker is about to close a descriptor: afterwards the number may be another's. */
  release(fd: number): void {
    if (fd >= 0 && fd < this.#owners.length) this.#owners[fd] = 0;
  }

  /** Closes all that the worker has but its listeners, and returns those: only for one whose thread is gone. */
  inherit(close: (fd: number) => void): number[] {
    const listeners: number[] = [];
    this.#owners.forEach((mark, fd) => {
      if (mark !== this.#mark && mark !== this.#listenerMark) return;
      this.#owners[fd] = 0;
      if (mark === this.#listenerMark) listeners.push(fd);
      else close(fd);
    });
    return listeners;
  }
}
