import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_BITS, RESPONSE_BOUNDS_MS, RESPONSE_BUCKETS, responseBucket, responsePercentile } from './response-times.ts';

test('a time is in the bucket whose bound is the first above it', () => {
  for (const [ns, bucket] of [[-5, 0], [0, 0], [1, 0], [2 ** FIRST_BITS - 1, 0], [2 ** FIRST_BITS, 1], [1e6, 7], [2 ** 35, 23], [2 ** 50, 23]] as const) {
    assert.equal(responseBucket(ns), bucket, `${ns} ns`);
    const bound = RESPONSE_BOUNDS_MS[bucket];
    if (bound !== undefined) assert.ok(ns / 1e6 < bound && (bucket === 0 || ns / 1e6 >= RESPONSE_BOUNDS_MS[bucket - 1]));
  }
});

test('percentiles are interpolated within their bucket, and there are none without replies', () => {
  const counts = Array.from({ length: RESPONSE_BUCKETS }, () => 0);
  assert.equal(responsePercentile(counts, 0.5), null);
  counts[7] = 10;
  counts[9] = 10;
  assert.ok(Math.abs((responsePercentile(counts, 0.25) ?? 0) - (RESPONSE_BOUNDS_MS[6] + RESPONSE_BOUNDS_MS[7]) / 2) < 1e-9);
  assert.equal(responsePercentile(counts, 0.5), RESPONSE_BOUNDS_MS[7]);
  assert.ok((responsePercentile(counts, 0.99) ?? 0) > RESPONSE_BOUNDS_MS[8]);
  counts[23] = 1000;
  assert.ok((responsePercentile(counts, 0.99) ?? 0) > (RESPONSE_BOUNDS_MS.at(-1) ?? 0), 'the last bucket has no bound');
});
