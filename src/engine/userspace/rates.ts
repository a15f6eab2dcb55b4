/**
 * How many new sessions of this second there may be: of a director, and of one source address with it. Seconds are whole ones of the
 * engine's clock and all workers count together; two that begin a second at once may let a few more through, never fewer.
 */
import { AddressTable } from './address-table.ts';
import { isV4 } from './chooser.ts';
import type { RuntimeDirector, SharedClock } from './director.ts';
import type { SharedViews } from './shared.ts';

export class Rates {
  /** At its cap a source that gives way is counted anew: the director's own rate bounds what many sources do. */
  readonly sources: AddressTable;
  readonly #shared: SharedViews;
  readonly #clock: SharedClock;
  readonly #source = new Int32Array(4);

  constructor(shared: SharedViews, clock: SharedClock) {
    this.#shared = shared;
    this.#clock = clock;
    this.sources = new AddressTable(shared.sources, shared.limits.persistence);
  }

  /** Counts one more new session of a client (raw words) and returns whether it keeps to both rates. What its source may not does not count for the director. */
  admit(d: RuntimeDirector, a0: number, a1: number, a2: number, a3: number): boolean {
    return (d.sourceRate === Infinity || this.#admitSource(d, a0, a1, a2, a3)) && (d.rate === Infinity || this.#admitDirector(d));
  }

  #admitSource(d: RuntimeDirector, a0: number, a1: number, a2: number, a3: number): boolean {
    const source = this.#source;
    const four = isV4(a0, a1, a2);
    source[0] = a0;
    source[1] = a1;
    // Whoever has an IPv6 address has its /64.
    source[2] = four ? a2 : 0;
    source[3] = four ? a3 : 0;
    const { ds } = this.#clock;
    return this.sources.count(d.slot, source, ds, (Math.floor(ds / 10) + 1) * 10) < d.sourceRate;
  }

  #admitDirector(d: RuntimeDirector): boolean {
    const { rateSecond, rateCount } = this.#shared;
    const second = Math.floor(this.#clock.ds / 10);
    const counted = Atomics.load(rateSecond, d.slot);
    // Whoever sees the new second first begins the count.
    if (counted !== second && Atomics.compareExchange(rateSecond, d.slot, counted, second) === counted) Atomics.store(rateCount, d.slot, 0);
    return Atomics.add(rateCount, d.slot, 1) < d.rate;
  }
}
