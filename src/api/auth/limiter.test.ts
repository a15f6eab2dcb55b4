import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLimiter, sourceKey } from './limiter.ts';

test('attempts are counted per source and window, and the wait is told in whole seconds', () => {
  let nowMs = 1000;
  const limiter = createLimiter({ max: 2, windowMs: 10_000, now: () => nowMs });
  assert.deepEqual([limiter.attempt('a'), limiter.attempt('a'), limiter.attempt('a'), limiter.attempt('b')], [0, 0, 10, 0]);
  nowMs += 9_500;
  assert.equal(limiter.attempt('a'), 1);
  nowMs += 500;
  assert.equal(limiter.attempt('a'), 0);
  assert.equal(limiter.refused, 2);
});

test('a clock that is set back locks nobody out', () => {
  let nowMs = 100_000;
  const limiter = createLimiter({ max: 1, windowMs: 10_000, now: () => nowMs });
  limiter.attempt('a');
  nowMs = 0;
  assert.equal(limiter.attempt('a'), 0);
});

test('however many sources come, the table stays bounded and the oldest is forgotten', () => {
  const limiter = createLimiter({ max: 1, windowMs: 10_000, now: () => 0 });
  for (let i = 0; i < 10_001; i++) limiter.attempt(`source ${i}`);
  assert.equal(limiter.attempt('source 10000'), 10);
  assert.equal(limiter.attempt('source 0'), 0);
});

test('a source is an IPv4 address or an IPv6 /64, however it is written', () => {
  for (const [address, key] of [['192.0.2.1', '192.0.2.1'], ['::ffff:192.0.2.1', '192.0.2.1'], ['2001:db8::1', '2001:db8:0:0::/64'], ['2001:db8:0:0:1:2:3:4', '2001:db8:0:0::/64'], ['::1', '0:0:0:0::/64'], ['fe80::1%eth0', 'fe80:0:0:0::/64'], ['2001:0db8:1:2::', '2001:db8:1:2::/64']] as const) {
    assert.equal(sourceKey(address), key);
  }
});
