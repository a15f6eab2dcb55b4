/** The pure parts of the traffic: layouts and the latency histogram. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/net/ip.ts';
import { bucketMiddleNs, quantileNs } from './histogram.ts';
import { BUCKETS, decodeReceiver, decodeReflector, decodeSender, encodeConfig, MAPS, type TrafficPlace, type TrafficRun } from './layout.ts';

const ip = (text: string) => parseIp(text) ?? assert.fail(text);
const PLACE: TrafficPlace = {
  clientIp: ip('203.0.113.1'),
  clientAddresses: 250,
  serverIp: ip('198.51.100.11'),
  servers: 3,
  serverPort: 7000,
  clientMac: '02:00:00:00:00:01',
  balancerMac: 'fe:dc:ba:98:76:54',
};
const RUN: TrafficRun = { run: 7, framesPerSecond: 50_000, seconds: 1.5, firstClient: 10, clients: 1000, turn: 0, frameBytes: 64, target: { ip: ip('192.0.2.1'), port: 5000 } };

/** The same arithmetic as `bucket_of` in traffic.bpf.c. */
function bucketOf(ns: number): number {
  if (ns < 8) return ns;
  const log = Math.floor(Math.log2(ns));
  return (log - 2) * 8 + (Math.floor(ns / 2 ** (log - 3)) & 7);
}

test('the configuration is laid out as the C struct says', () => {
  const config = encodeConfig(RUN, PLACE, 42);
  assert.equal(config.length, MAPS.config_map.size);
  assert.equal(config.readBigUInt64LE(0), 1_500_000_000n);
  // 20 µs between frames, in 1/256 ns.
  assert.equal(config.readBigUInt64LE(8), 20_000n * 256n);
  assert.deepEqual([24, 28, 32].map((offset) => config.readUInt32LE(offset)), [7, 10, 1000]);
  // It catches up by 0.5 ms at most, and by 64 frames at most.
  assert.equal(config.readBigUInt64LE(16), 500_000n * 256n);
  assert.equal(encodeConfig({ ...RUN, framesPerSecond: 1_000_000 }, PLACE, 42).readBigUInt64LE(16), 64_000n * 256n);
  assert.equal(config.readUInt32LE(36), 0xcb007101);
  assert.equal(config.readUInt32LE(44), 0xc0000201);
  assert.deepEqual([48, 56, 60, 64].map((offset) => config.readUInt32LE(offset)), [5000, 3, 7000, 42]);
  assert.equal(config.subarray(68).toString('hex'), '020000000001fedcba9876540000000000000000');
  assert.deepEqual([80, 84].map((offset) => encodeConfig({ ...RUN, kept: { first: 5, count: 9 } }, PLACE, 42).readUInt32LE(offset)), [9, 5]);
});

test('a place that IPv4 frames cannot reach, or a bad MAC, is refused', () => {
  assert.throws(() => encodeConfig({ ...RUN, target: { ip: ip('2001:db8::1'), port: 1 } }, PLACE, 1), /IPv4/);
  assert.throws(() => encodeConfig(RUN, { ...PLACE, clientMac: 'aa:bb' }, 1), /MAC/);
});

test('counters are read back, per-CPU ones summed', () => {
  const sender = Buffer.alloc(MAPS.sender_map.size);
  [1_000_000_000n, 0n, 2_500_000_000n, 75_000n, 2n, 0n, 30n].forEach((value, i) => sender.writeBigUInt64LE(value, i * 8));
  assert.deepEqual(decodeSender(sender), { sent: 75_000, kept: 30, skipped: 2, seconds: 1.5 });
  const cpu = (replies: bigint, bucket: number) => {
    const value = Buffer.alloc(MAPS.receiver_map.size);
    value.writeBigUInt64LE(replies, 0);
    value.writeBigUInt64LE(replies, 40);
    value.writeBigUInt64LE(replies, 48 + 8 * bucket);
    return value;
  };
  const receiver = decodeReceiver([cpu(3n, 5), cpu(4n, BUCKETS - 1)]);
  assert.deepEqual([receiver.replies, receiver.kept, receiver.buckets[5], receiver.buckets[BUCKETS - 1]], [7, 7, 3, 4]);
  const reflector = Buffer.alloc(MAPS.reflector_map.size);
  [10n, 1n, 2n, 3n, 4n].forEach((value, i) => reflector.writeBigUInt64LE(value, i * 8));
  assert.deepEqual(decodeReflector([reflector, reflector]), { reflected: 20, first: 4, strayed: 6, kept: 8 });
});

test('each bucket stands for its middle: no value is more than 7 % away', () => {
  for (let ns = 1; ns < 1e10; ns = Math.ceil(ns * 1.03)) {
    const middle = bucketMiddleNs(bucketOf(ns));
    assert.ok(Math.abs(middle - ns) / ns < 0.07, `${ns} ns became ${middle}`);
  }
});

test('quantiles come from where the counts lie', () => {
  const buckets = Array.from({ length: BUCKETS }, () => 0);
  buckets[bucketOf(20_000)] = 98;
  buckets[bucketOf(3_000_000)] = 2;
  assert.ok(Math.abs(quantileNs(buckets, 0.5) / 20_000 - 1) < 0.07);
  assert.ok(Math.abs(quantileNs(buckets, 0.99) / 3_000_000 - 1) < 0.07);
  assert.ok(Number.isNaN(quantileNs([0, 0], 0.5)));
});
