/**
 * Persistence by source address, shared by all workers: (director, masked client address) -> server slot until a time.
 * A four-way set-associative table in shared memory; each set has a spin lock held for a few dozen instructions.
 * Cap: the table's size. At the cap the entry of the set that expires first gives way (counted as persistenceEvictions).
 */
import { PERSISTENCE_STRIDE } from './shared.ts';

const WAYS = 4;
const SPIN_LIMIT = 10_000;

export class PersistenceTable {
  readonly #words: Int32Array;
  readonly #sets: number;
  readonly #base: number;
  evictions = 0;

  /** `words` is SharedViews.persistence, `entries` the limit it was made with. */
  constructor(words: Int32Array, entries: number) {
    this.#words = words;
    this.#sets = entries / WAYS;
    this.#base = this.#sets;
  }

  /** Returns the server slot bound to the address, or -1. `nowDs` is deciseconds since the shared epoch. */
  get(director: number, a: ArrayLike<number>, nowDs: number): number {
    const set = this.#set(director, a);
    if (!this.#lock(set)) return -1;
    const entry = this.#find(set, director, a);
    const slot = entry >= 0 && this.#words[entry + 6] > nowDs ? this.#words[entry + 5] : -1;
    this.#unlock(set);
    return slot;
  }

  /** Binds the address to the server slot until `untilDs`; replaces what it was bound to. */
  put(director: number, a: ArrayLike<number>, slot: number, nowDs: number, untilDs: number): void {
    const set = this.#set(director, a);
    if (!this.#lock(set)) return;
    const words = this.#words;
    let entry = this.#find(set, director, a);
    if (entry < 0) {
      entry = this.#victim(set, nowDs);
      words[entry] = director + 1;
      for (let i = 0; i < 4; i++) words[entry + 1 + i] = a[i] | 0;
    }
    words[entry + 5] = slot;
    words[entry + 6] = untilDs;
    this.#unlock(set);
  }

  /** Forgets all entries of a director; called when its slot is about to be reused. */
  clear(director: number): void {
    for (let set = 0; set < this.#sets; set++) {
      const first = this.#base + set * WAYS * PERSISTENCE_STRIDE;
      for (let way = 0; way < WAYS; way++) {
        const entry = first + way * PERSISTENCE_STRIDE;
        if (this.#words[entry] === director + 1) this.#words[entry] = 0;
      }
    }
  }

  #find(set: number, director: number, a: ArrayLike<number>): number {
    const words = this.#words;
    let entry = this.#base + set * WAYS * PERSISTENCE_STRIDE;
    for (let way = 0; way < WAYS; way++, entry += PERSISTENCE_STRIDE) {
      if (words[entry] === director + 1 && words[entry + 1] === (a[0] | 0) && words[entry + 2] === (a[1] | 0)
        && words[entry + 3] === (a[2] | 0) && words[entry + 4] === (a[3] | 0)) return entry;
    }
    return -1;
  }

  #victim(set: number, nowDs: number): number {
    const words = this.#words;
    const first = this.#base + set * WAYS * PERSISTENCE_STRIDE;
    let best = first;
    for (let way = 0; way < WAYS; way++) {
      const entry = first + way * PERSISTENCE_STRIDE;
      if (words[entry] === 0 || words[entry + 6] <= nowDs) return entry;
      if (words[entry + 6] < words[best + 6]) best = entry;
    }
    this.evictions++;
    return best;
  }

  #set(director: number, a: ArrayLike<number>): number {
    let h = Math.imul(director + 1, 0x9e3779b1);
    for (let i = 0; i < 4; i++) h = Math.imul(h ^ a[i], 0x85ebca6b) ^ (h >>> 13);
    h ^= h >>> 16;
    return (h >>> 0) % this.#sets;
  }

  // A worker that died inside the lock would leave it held; others then go without persistence for that set rather than hang.
  #lock(set: number): boolean {
    for (let i = 0; i < SPIN_LIMIT; i++) if (Atomics.compareExchange(this.#words, set, 0, 1) === 0) return true;
    return false;
  }

  #unlock(set: number): void {
    Atomics.store(this.#words, set, 0);
  }
}
