import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp, type Ip } from '../net/ip.ts';
import { createFakeClock } from './fake-clock.ts';
import { createHealthService } from './health-service.ts';
import type { CheckResult, Health, Target } from './health.ts';
import { nextRampMs, overlay, rampPercent } from './overlay.ts';

const UP: Health = { state: 'up', reason: 'fine', sinceMs: 5, last: null, weightPercent: 100 };
const NONE = { answeredPercent: 100, rampPercent: 100, passive: null, passiveSinceMs: 0 };
const GOOD: CheckResult = { ok: true, detail: 'fine', latencyMs: 1 };
const REFUSED: CheckResult = { ok: false, detail: 'no', latencyMs: 1, finding: 'refused' };

test('a slow start rises in ten steps, from a tenth at once to all at its end', () => {
  assert.deepEqual([0, 999, 1000, 5500, 9999, 10_000, 1e9].map((ms) => rampPercent(ms, 10_000)), [10, 10, 20, 60, 100, 100, 100]);
  assert.equal(rampPercent(0, 0), 100);
  fc.assert(fc.property(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 1000, max: 86_400_000 }), (elapsed, slowStart) => {
    const next = nextRampMs(elapsed, slowStart);
    if (elapsed >= slowStart) return assert.equal(next, null);
    assert.ok(next !== null && next > elapsed && next <= slowStart + 1);
    // Before its time nothing rises, at its time it does: the one timer is enough.
    assert.ok(rampPercent(next, slowStart) > rampPercent(elapsed, slowStart) || rampPercent(elapsed, slowStart) === 100);
    assert.equal(rampPercent(Math.max(elapsed, next - 1), slowStart) >= rampPercent(elapsed, slowStart), true);
  }));
});

test('the least share counts, and only what limits it is named', () => {
  assert.equal(overlay(UP, NONE), UP);
  assert.deepEqual(overlay(UP, { ...NONE, answeredPercent: 40 }), { ...UP, weightPercent: 40 });
  assert.deepEqual(overlay(UP, { ...NONE, answeredPercent: 40, rampPercent: 30 }), { ...UP, weightPercent: 30, reason: 'fine; slow start' });
  const back = { out: false, percent: 10, reason: 'tried again' };
  assert.deepEqual(overlay(UP, { ...NONE, rampPercent: 30, passive: back }), { ...UP, weightPercent: 10, reason: 'fine; tried again' });
});

test('passive health puts a server out, but a failed check keeps its own reason', () => {
  const out = { out: true, percent: 0, reason: 'answers nothing' };
  assert.deepEqual(overlay(UP, { ...NONE, passive: out, passiveSinceMs: 9 }), { ...UP, state: 'down', reason: 'answers nothing', sinceMs: 9 });
  const down: Health = { ...UP, state: 'down', reason: 'no answer' };
  assert.deepEqual(overlay(down, { ...NONE, passive: out, passiveSinceMs: 9 }).reason, 'no answer');
});

function service() {
  const clock = createFakeClock();
  let answer: CheckResult = GOOD;
  const told: string[] = [];
  const health = createHealthService({ ...clock, random: () => 0, runCheck: async () => answer });
  health.onChange(({ to }) => told.push(`${to.state} ${to.weightPercent}`));
  const target: Target = { key: 'd|a|x|1', director: 'd', server: 'a', ip: parseIp('192.0.2.1') as Ip, port: 1, probe: { kind: 'icmp' }, intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1, source: null, via: null, slowStartMs: 10_000, damping: null };
  return { clock, health, told, target, say: (next: CheckResult) => (answer = next) };
}

test('a server that comes back rises step by step, told each time; at the start it has all at once', async () => {
  const { clock, health, told, target, say } = service();
  health.setTargets([target]);
  health.start();
  await clock.advance(3000);
  assert.deepEqual(told, ['up 100']);
  say(REFUSED);
  await clock.advance(1500);
  say(GOOD);
  await clock.advance(20_000);
  assert.deepEqual(told.slice(1), ['down 100', 'up 10', 'up 20', 'up 30', 'up 40', 'up 50', 'up 60', 'up 70', 'up 80', 'up 90', 'up 100']);
  await health.stop();
});

test('one that falls while it rises begins again at a tenth', async () => {
  const { clock, health, told, target, say } = service();
  health.setTargets([target]);
  health.start();
  for (const one of [GOOD, REFUSED, GOOD, REFUSED, GOOD]) {
    say(one);
    await clock.advance(4000);
  }
  assert.deepEqual(told.filter((text) => text === 'up 10').length, 2);
  assert.ok(!told.includes('up 60'));
  await health.stop();
});

test('the weight an answer asks for holds until an answer asks for another, and a changed check forgets it', async () => {
  const { clock, health, told, target, say } = service();
  say({ ...GOOD, weightPercent: 40 });
  health.setTargets([target]);
  health.start();
  await clock.advance(3000);
  say(GOOD);
  await clock.advance(3000);
  assert.equal(health.health(target.key).weightPercent, 40);
  health.setTargets([{ ...target, probe: { kind: 'tcp' } }]);
  await clock.advance(3000);
  assert.deepEqual(told, ['up 40', 'up 100']);
  await health.stop();
});

test('passive verdicts hold for unchecked servers too, and one that is taken back leaves nothing', async () => {
  const { clock, health, told } = service();
  health.passive('d|b|x|1', { out: true, percent: 0, reason: 'silent' });
  await clock.advance(0);
  assert.deepEqual([health.health('d|b|x|1').state, health.health('d|b|x|1').reason], ['down', 'silent']);
  health.passive('d|b|x|1', { out: false, percent: 10, reason: 'tried again' });
  await clock.advance(0);
  health.passive('d|b|x|1', null);
  await clock.advance(0);
  assert.deepEqual(told, ['down 100', 'unknown 10', 'unknown 100']);
  assert.equal(health.health('d|b|x|1').reason, 'not checked');
});
