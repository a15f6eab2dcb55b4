/**
 * Which worker each open descriptor belongs to, in memory that all threads share: a thread that dies closes nothing, and its listeners would go
 * on to take their share of the datagrams (SO_REUSEPORT) with nobody to read them. A worker writes its own entries, the main thread reads
 * those of a dead one.
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

  constructor(table: SharedArrayBuffer, worker: number) {
    this.#owners = new Uint8Array(table);
    this.#mark = worker + 1;
  }

  /** Notes that the worker has opened a descriptor; returns it. A failed open (-1) is passed on. */
  take(fd: number): number {
    if (fd >= 0 && fd < this.#owners.length) this.#owners[fd] = this.#mark;
    return fd;
  }

  /** Notes that the worker is about to close a descriptor: afterwards the number may be another's. */
  release(fd: number): void {
    if (fd >= 0 && fd < this.#owners.length) this.#owners[fd] = 0;
  }

  /** Closes all that the worker has: only for one whose thread is gone. Returns how many. */
  closeAll(close: (fd: number) => void): number {
    let closed = 0;
    for (let fd = this.#owners.indexOf(this.#mark); fd >= 0; fd = this.#owners.indexOf(this.#mark, fd + 1)) {
      this.#owners[fd] = 0;
      close(fd);
      closed++;
    }
    return closed;
  }
}
