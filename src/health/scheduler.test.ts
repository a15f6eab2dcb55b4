import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp, type Ip } from '../net/ip.ts';
import { createFakeClock } from './fake-clock.ts';
import type { CheckResult, Target } from './health.ts';
import { createScheduler, hash01 } from './scheduler.ts';

const LOOPBACK = parseIp('127.0.0.1') as Ip;

function target(key: string, more: Partial<Target> = {}): Target {
  return { key, director: 'd', server: key, ip: LOOPBACK, port: 1, probe: { kind: 'default' }, intervalMs: 10_000, timeoutMs: 5000, rise: 2, fall: 3, source: null, via: null, slowStartMs: 0, damping: null, ...more };
}

/** A scheduler whose checks take `tookMs` and are recorded. */
function set(options: { tookMs?: number; maxInFlight?: number; when?: 'soon' | 'usual'; random?: number } = {}) {
  const clock = createFakeClock();
  const starts: { readonly key: string; readonly atMs: number }[] = [];
  let running = 0;
  let peak = 0;
  const scheduler = createScheduler({
    ...clock,
    random: () => options.random ?? 0,
    run: (t) =>
      new Promise<CheckResult>((resolve) => {
        starts.push({ key: t.key, atMs: clock.nowMs() });
        peak = Math.max(peak, ++running);
        clock.setTimer(() => {
          running--;
          resolve({ ok: true, detail: '', latencyMs: 0 });
        }, options.tookMs ?? 1);
      }),
    onResult: () => options.when ?? 'usual',
    ...(options.maxInFlight === undefined ? {} : { maxInFlight: options.maxInFlight }),
  });
  return { clock, scheduler, starts, peak: () => peak };
}

test('each target is checked once an interval, at its own phase, whatever the others do', async () => {
  const { clock, scheduler, starts } = set();
  for (let i = 0; i < 50; i++) scheduler.set(target(`k${i}`), 50);
  scheduler.start();
  await clock.advance(65_000);
  const by = new Map<string, { readonly atMs: number }[]>();
  for (const start of starts) by.set(start.key, [...(by.get(start.key) ?? []), start]);
  assert.equal(by.size, 50);
  for (const [key, times] of by) {
    const phase = hash01(key) * 10_000;
    assert.ok((times[0]?.atMs ?? Infinity) <= 1051, 'the first check comes within about a second');
    for (const { atMs } of times.slice(1)) assert.ok(Math.abs(((atMs - phase + 5000) % 10_000) - 5000) <= 2, `${key} at ${atMs}, phase ${phase}`);
    assert.ok(times.length >= 6 && times.length <= 8, `${key}: ${times.length}`);
  }
});

test('10,000 targets spread evenly over the interval', async () => {
  const buckets = Array.from({ length: 100 }, () => 0);
  for (let i = 0; i < 10_000; i++) {
    const b = Math.floor(hash01(`dns|server${i}|10.0.${i >> 8}.${i & 255}|53`) * 100);
    buckets[b] = (buckets[b] ?? 0) + 1;
  }
  assert.ok(Math.min(...buckets) > 60 && Math.max(...buckets) < 140, `${Math.min(...buckets)}..${Math.max(...buckets)}`);
});

test('a gap between two checks is never above the interval and its jitter', async () => {
  for (const random of [0, 0.5, 0.999]) {
    const { clock, scheduler, starts } = set({ tookMs: 4999, random });
    scheduler.set(target('a'), 1);
    scheduler.start();
    await clock.advance(200_000);
    for (let i = 2; i < starts.length; i++) {
      const gap = (starts[i]?.atMs ?? 0) - (starts[i - 1]?.atMs ?? 0);
      assert.ok(gap <= 10_201 && gap >= 9799, `gap ${gap}`);
    }
  }
});

test('a target never has two checks at once, even when one takes longer than its interval', async () => {
  const { clock, scheduler, starts, peak } = set({ tookMs: 2500 });
  scheduler.set(target('a', { intervalMs: 1000, timeoutMs: 3000 }), 1);
  scheduler.start();
  await clock.advance(60_000);
  assert.equal(peak(), 1);
  assert.ok(starts.length >= 19, `${starts.length} checks`);
});

test('no more than the cap run at once, the rest wait their turn and count as late', async () => {
  const { clock, scheduler, starts, peak } = set({ tookMs: 1000, maxInFlight: 5 });
  for (let i = 0; i < 40; i++) scheduler.set(target(`k${i}`), 40);
  scheduler.start();
  await clock.advance(9000);
  assert.equal(peak(), 5);
  assert.equal(new Set(starts.map((s) => s.key)).size, 40);
  assert.ok(scheduler.counters().late > 0);
  assert.equal(scheduler.counters().done + scheduler.counters().inFlight, starts.length);
});

test('an undecided target is tried again after a second', async () => {
  const { clock, scheduler, starts } = set({ when: 'soon' });
  scheduler.set(target('a'), 1);
  scheduler.start();
  await clock.advance(5000);
  assert.ok(starts.length >= 4, `${starts.length} checks`);
});

test('a deleted or replaced target has no say: its running check is forgotten', async () => {
  const clock = createFakeClock();
  const results: number[] = [];
  const scheduler = createScheduler({
    ...clock,
    random: () => 0,
    run: (t) => new Promise((resolve) => clock.setTimer(() => resolve({ ok: true, detail: String(t.port), latencyMs: 0 }), 500)),
    onResult: (t) => {
      results.push(t.port);
      return 'usual';
    },
  });
  scheduler.start();
  scheduler.set(target('a', { intervalMs: 1000 }), 1);
  await clock.advance(1000 * hash01('a') + 10);
  assert.equal(scheduler.counters().inFlight, 1);
  scheduler.set(target('a', { port: 2, intervalMs: 1000 }), 1);
  await clock.advance(2000);
  assert.ok(results.length > 0 && results.every((port) => port === 2), results.join());
  scheduler.delete('a');
  const sofar = results.length;
  await clock.advance(5000);
  assert.equal(results.length, sofar);
  assert.equal(clock.pending(), 0);
});

test('stop waits for the checks under way and starts none after', async () => {
  const { clock, scheduler, starts } = set({ tookMs: 3000 });
  scheduler.set(target('a'), 1);
  scheduler.start();
  await clock.advance(1100);
  assert.equal(scheduler.counters().inFlight, 1);
  let stopped = false;
  void scheduler.stop().then(() => (stopped = true));
  await clock.advance(100);
  assert.equal(stopped, false);
  await clock.advance(3000);
  assert.equal(stopped, true);
  await clock.advance(60_000);
  assert.equal(starts.length, 1);
  scheduler.start();
  await clock.advance(1100);
  assert.equal(starts.length, 2);
});
