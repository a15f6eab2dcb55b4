import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../clock/fake.ts';
import type { SampleView } from '../client/types.ts';
import { createFakeEngine, type FakeEngine } from '../engine/fake.ts';
import { parseIp, type Ip } from '../net/ip.ts';
import { diff } from '../plan/diff.ts';
import { createSharedReading } from './reading.ts';
import { createRing } from './ring.ts';
import { createSampler } from './sampler.ts';
import { sampleOf } from './series.ts';

async function engineWith(now: () => number): Promise<FakeEngine> {
  const engine = createFakeEngine({ now });
  const keep = { kind: 'keep', forMs: null } as const;
  await engine.apply(
    diff(
      {
        directors: [
          {
            name: 'web', vip: parseIp('10.0.0.3') as Ip, ports: null, protocol: 'udp', mode: 'nat', balance: 'leastconn', persistence: null, sourceNat: null,
            session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null }, on: { down: keep, drain: keep, remove: keep },
            servers: [{ name: 's', ip: parseIp('10.0.0.9') as Ip, port: 0, weight: 1, state: 'up', sorry: false }],
          },
        ],
      },
      { directors: [] },
    ),
  );
  return engine;
}

test('rates are per second over the time that really passed', async () => {
  let now = 1000;
  const engine = await engineWith(() => now);
  const before = await engine.read();
  engine.traffic('web', 's', { in: 500, out: 250 });
  engine.drop('web', 'no_port', 10);
  engine.drop('web', 'no_server', 0);
  engine.addSessions('web', 's', 5);
  now = 3500;
  const { responses, ...director } = sampleOf(before, await engine.read()).directors[0] ?? assert.fail();
  assert.deepEqual(director, { name: 'web', packetsInPerS: 204, bytesInPerS: 20_000, packetsOutPerS: 100, bytesOutPerS: 10_000, sessions: 5, newSessionsPerS: 2, dropsPerS: 4, drops: { no_port: 4 } });
  assert.equal(responses?.replies, 250);
  assert.ok((responses?.p50Ms ?? 0) > 0.5 && (responses?.p99Ms ?? 9) < 1.1, JSON.stringify(responses));
});

test('counters that started again give no negative and no giant rates', async () => {
  let now = 1000;
  const engine = await engineWith(() => now);
  engine.traffic('web', 's', { in: 500, out: 250 });
  const before = await engine.read();
  engine.restartCounters();
  engine.traffic('web', 's', { in: 5, out: 5 });
  now = 2000;
  assert.deepEqual([sampleOf(before, await engine.read()).directors[0]].map((one) => [one?.packetsInPerS, one?.responses, one?.drops]), [[0, null, {}]]);
});

test('the sampler takes one sample a second, and a failed reading leaves a gap', async () => {
  const clock = createFakeClock();
  const engine = await engineWith(() => clock.now());
  const samples: SampleView[] = [];
  const sampler = createSampler({ clock, read: () => engine.read(), onSample: (s) => samples.push(s) });
  sampler.start();
  await clock.advance(3000);
  assert.equal(samples.length, 3);
  engine.faults.read = new Error('no');
  await clock.advance(2000);
  engine.faults.read = null;
  engine.traffic('web', 's', { in: 300, out: 0 });
  await clock.advance(1000);
  assert.equal(samples.length, 4);
  assert.equal(samples[3]?.directors[0]?.packetsInPerS, 100);
  sampler.stop();
  await clock.advance(5000);
  assert.equal(sampler.series().length, 4);
  assert.equal(clock.pending(), 0);
});

test('a hundred readers within a quarter of a second cost one reading', async () => {
  const clock = createFakeClock();
  const engine = await engineWith(() => clock.now());
  const shared = createSharedReading({ clock, read: () => engine.read() });
  await Promise.all(Array.from({ length: 100 }, () => shared.get()));
  await shared.get();
  assert.equal(engine.calls.filter((c) => c === 'read').length, 1);
  await clock.advance(251);
  await shared.get();
  shared.forget();
  await shared.get();
  assert.equal(engine.calls.filter((c) => c === 'read').length, 3);
});

test('a failed reading is not kept', async () => {
  const clock = createFakeClock();
  const engine = await engineWith(() => clock.now());
  const shared = createSharedReading({ clock, read: () => engine.read() });
  engine.faults.read = new Error('no');
  await assert.rejects(shared.get(), /no/);
  engine.faults.read = null;
  assert.equal((await shared.get()).epoch, 'fake-1');
});

test('a ring keeps the newest up to its cost, and counts what went', () => {
  const ring = createRing<number>({ maxCost: 10, costOf: (n) => n });
  for (const n of [4, 4, 4]) ring.push(n);
  assert.deepEqual([ring.list(), ring.dropped()], [[4, 4], 1]);
  ring.push(99);
  assert.deepEqual(ring.list(), [99]);
  const many = createRing<number>({ maxCost: 1000 });
  for (let i = 0; i < 5000; i++) many.push(i);
  assert.equal(many.list().length, 1000);
  assert.equal(many.list()[0], 4000);
});
