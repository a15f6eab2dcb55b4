/**
 * Hash chains over numbered records, by linear hashing (Litwin, VLDB 1980): one bucket splits for each record beyond the buckets there are,
 * so growing never takes longer than one chain. Everything is allocated at once for the cap; memory that is not touched is not there.
 */

export const NONE = -1;

const FIRST_BUCKETS = 1024;

/** All there is to know of chains: nothing need be hashed anew. */
export interface ChainsHandover {
  readonly buckets: number;
  readonly mask: number;
  readonly records: number;
  readonly heads: Int32Array;
  readonly next: Int32Array;
}

export class Chains {
  /** Buckets in use; records over buckets stays at most 1. */
  buckets: number;
  readonly #most: number;
  readonly #hashOf: (record: number) => number;
  /** First record of a bucket, and the record after each, both plus one: 0, the memory as it comes, is none. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  /** Buckets of the round that is complete, less one: buckets below `buckets - (#mask + 1)` are split already. */
  #mask: number;
  #records = 0;

  /** `hashOf` returns the 32-bit hash of a record that is linked or about to be. */
  constructor(capacity: number, hashOf: (record: number) => number) {
    this.#hashOf = hashOf;
    this.#most = Math.max(1, capacity);
    this.#mask = 2 ** Math.floor(Math.log2(Math.min(FIRST_BUCKETS, this.#most))) - 1;
    this.buckets = this.#mask + 1;
    this.#heads = new Int32Array(this.#most);
    this.#next = new Int32Array(capacity);
  }

  /** Returns the first record of the chain that a record with this hash would be in, or NONE. */
  first(hash: number): number {
    return this.#heads[this.#bucket(hash)] - 1;
  }

  /** Returns the record after this one in its chain, or NONE. */
  after(record: number): number {
    return this.#next[record] - 1;
  }

  link(record: number): void {
    if (++this.#records > this.buckets && this.buckets < this.#most) this.#split();
    const bucket = this.#bucket(this.#hashOf(record));
    this.#next[record] = this.#heads[bucket]!;
    this.#heads[bucket] = record + 1;
  }

  unlink(record: number): void {
    this.#records--;
    const bucket = this.#bucket(this.#hashOf(record));
    const after = this.#next[record]!;
    let at = this.#heads[bucket]! - 1;
    if (at === record) {
      this.#heads[bucket] = after;
      return;
    }
    while (this.#next[at] !== record + 1) at = this.#next[at] - 1;
    this.#next[at] = after;
  }

  /** Returns the chains of records below `high`, as views that later changes show in. */
  handover(high: number): ChainsHandover {
    return { buckets: this.buckets, mask: this.#mask, records: this.#records, heads: this.#heads.subarray(0, this.buckets), next: this.#next.subarray(0, high) };
  }

  /** Takes over the chains of the same records in another table; nothing may be linked here. Throws RangeError when there is no room. */
  adopt({ buckets, mask, records, heads, next }: ChainsHandover): void {
    if (buckets > this.#most || next.length > this.#next.length) throw new RangeError(`${buckets} buckets and ${next.length} records for room of ${this.#most}`);
    this.buckets = buckets;
    this.#mask = mask;
    this.#records = records;
    this.#heads.set(heads);
    this.#next.set(next);
  }

  #bucket(hash: number): number {
    const wide = hash & ((this.#mask << 1) | 1);
    return wide < this.buckets ? wide : hash & this.#mask;
  }

  // The bucket whose turn it is hands what has the next hash bit set to a new bucket.
  #split(): void {
    const bit = this.#mask + 1;
    const from = this.buckets - bit;
    let record = this.#heads[from] - 1;
    const to = this.buckets++;
    if (this.buckets === bit * 2) this.#mask = bit * 2 - 1;
    let [stay, go] = [0, 0];
    while (record >= 0) {
      const after = this.#next[record] - 1;
      if ((this.#hashOf(record) & bit) === 0) {
        this.#next[record] = stay;
        stay = record + 1;
      } else {
        this.#next[record] = go;
        go = record + 1;
      }
      record = after;
    }
    this.#heads[from] = stay;
    this.#heads[to] = go;
  }
}
