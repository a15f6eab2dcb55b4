/**
 * A number of an address until a time, shared by all workers: (director, masked client address) -> server slot for persistence, new
 * sessions of this second for `session source-rate`.
 * A four-way set-associative table in shared memory; each set has a spin lock held for a few dozen instructions.
 * Cap: the table's size. At the cap the entry of the set that expires first gives way (counted in `evictions`).
 */
import { ADDRESS_STRIDE } from './shared.ts';

const WAYS = 4;
const SPIN_LIMIT = 10_000;

export class AddressTable {
  readonly #words: Int32Array;
  readonly #sets: number;
  readonly #base: number;
  evictions = 0;

  /** `words` is SharedViews.persistence or .sources, `entries` the limit they were made with. */
  constructor(words: Int32Array, entries: number) {
    this.#words = words;
    this.#sets = entries / WAYS;
    this.#base = this.#sets;
  }

  /** Returns the number bound to the address, or -1. `nowDs` is deciseconds since the shared epoch. */
  get(director: number, a: ArrayLike<number>, nowDs: number): number {
    const set = this.#set(director, a);
    if (!this.#lock(set)) return -1;
    const entry = this.#find(set, director, a);
    const value = entry >= 0 && this.#words[entry + 6] > nowDs ? this.#words[entry + 5] : -1;
    this.#unlock(set);
    return value;
  }

  /** Binds the address to a number, 0 or more, until `untilDs`; replaces what it was bound to. */
  put(director: number, a: ArrayLike<number>, value: number, nowDs: number, untilDs: number): void {
    const set = this.#set(director, a);
    if (!this.#lock(set)) return;
    this.#write(this.#entry(set, director, a, nowDs), value, untilDs);
    this.#unlock(set);
  }

  /** Adds one to the number of the address and returns what it was: 0 for one that has none, or whose time is over; it then holds until `untilDs`. */
  count(director: number, a: ArrayLike<number>, nowDs: number, untilDs: number): number {
    const set = this.#set(director, a);
    if (!this.#lock(set)) return 0;
    const entry = this.#entry(set, director, a, nowDs);
    const before = this.#words[entry + 6] > nowDs ? this.#words[entry + 5] : 0;
    this.#write(entry, before + 1, untilDs);
    this.#unlock(set);
    return before;
  }

  /** Forgets all entries of a director; called when its slot is about to be reused. */
  clear(director: number): void {
    for (let set = 0; set < this.#sets; set++) {
      const first = this.#base + set * WAYS * ADDRESS_STRIDE;
      for (let way = 0; way < WAYS; way++) {
        const entry = first + way * ADDRESS_STRIDE;
        if (this.#words[entry] === director + 1) this.#words[entry] = 0;
      }
    }
  }

  /** The entry of the address: its own, or one that is free or gives way, with no time left on it. */
  #entry(set: number, director: number, a: ArrayLike<number>, nowDs: number): number {
    const found = this.#find(set, director, a);
    if (found >= 0) return found;
    const words = this.#words;
    const entry = this.#victim(set, nowDs);
    words[entry] = director + 1;
    for (let i = 0; i < 4; i++) words[entry + 1 + i] = a[i] | 0;
    words[entry + 6] = nowDs;
    return entry;
  }

  #write(entry: number, value: number, untilDs: number): void {
    this.#words[entry + 5] = value;
    this.#words[entry + 6] = untilDs;
  }

  #find(set: number, director: number, a: ArrayLike<number>): number {
    const words = this.#words;
    let entry = this.#base + set * WAYS * ADDRESS_STRIDE;
    for (let way = 0; way < WAYS; way++, entry += ADDRESS_STRIDE) {
      if (words[entry] === director + 1 && words[entry + 1] === (a[0] | 0) && words[entry + 2] === (a[1] | 0)
        && words[entry + 3] === (a[2] | 0) && words[entry + 4] === (a[3] | 0)) return entry;
    }
    return -1;
  }

  #victim(set: number, nowDs: number): number {
    const words = this.#words;
    const first = this.#base + set * WAYS * ADDRESS_STRIDE;
    let best = first;
    for (let way = 0; way < WAYS; way++) {
      const entry = first + way * ADDRESS_STRIDE;
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

  // A worker that died inside the lock would leave it held; others then go without that set rather than hang.
  #lock(set: number): boolean {
    for (let i = 0; i < SPIN_LIMIT; i++) if (Atomics.compareExchange(this.#words, set, 0, 1) === 0) return true;
    return false;
  }

  #unlock(set: number): void {
    Atomics.store(this.#words, set, 0);
  }
}
