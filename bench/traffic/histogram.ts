/** Latency out of the receiver's buckets: 8 per power of two, `bucket_of` in traffic.bpf.c. */
const BUCKET_BITS = 3;

/** Returns the middle of a bucket, in ns; buckets below 8 are single values. */
export function bucketMiddleNs(bucket: number): number {
  const perPower = 1 << BUCKET_BITS;
  if (bucket < perPower) return bucket;
  const shift = (bucket >> BUCKET_BITS) - 1;
  const low = (perPower + (bucket & (perPower - 1))) * 2 ** shift;
  return low + 2 ** shift / 2;
}

/** Returns the value in ns below which `share` (0..1) of the counts lie, or NaN when there are none. Exact to 6 %. */
export function quantileNs(buckets: readonly number[], share: number): number {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) return Number.NaN;
  const wanted = share * total;
  let seen = 0;
  for (const [bucket, count] of buckets.entries()) {
    seen += count;
    if (seen >= wanted && count > 0) return bucketMiddleNs(bucket);
  }
  return bucketMiddleNs(buckets.length - 1);
}
