/**
 * The histogram of response times all engines keep: from the last request of a session to the first reply after it. Powers of two of
 * nanoseconds, so that a BPF program finds the bucket by the position of the highest bit.
 */

/** Bucket i holds times below 2^(FIRST_BITS + i) ns, from 8.2 µs up to 34 s; the last bucket holds all above. */
export const FIRST_BITS = 13;
export const RESPONSE_BUCKETS = 24;
/** A constant of its own: `2 ** x` is a call of pow for every reply, 0.8 % of a packet worker. */
const FIRST_BOUND_NS = 2 ** FIRST_BITS;

/** Upper bounds in milliseconds of all buckets but the last, which has none. */
export const RESPONSE_BOUNDS_MS: readonly number[] = Array.from({ length: RESPONSE_BUCKETS - 1 }, (_, i) => 2 ** (FIRST_BITS + i) / 1e6);

/** Returns the bucket of a time in nanoseconds (0 for negative ones: two clocks of one machine may differ by a little). */
export function responseBucket(ns: number): number {
  if (!(ns >= 1)) return 0;
  return Math.min(RESPONSE_BUCKETS - 1, 32 - Math.clz32(Math.min(ns / FIRST_BOUND_NS, 0xffff_ffff)));
}

/** Returns the time in ms below which `share` (0..1) of the counted replies came, interpolated within its bucket; null when there are none. */
export function responsePercentile(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  let left = total * share;
  for (let i = 0; i < counts.length; i++) {
    const n = counts[i];
    if (n > 0 && left <= n) {
      const low = i === 0 ? 0 : RESPONSE_BOUNDS_MS[i - 1];
      const high = RESPONSE_BOUNDS_MS[i] ?? low * 2;
      return low + ((high - low) * left) / n;
    }
    left -= n;
  }
  return RESPONSE_BOUNDS_MS.at(-1) ?? null;
}
