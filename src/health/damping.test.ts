import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CheckResult } from './health.ts';
import { dampedRise, initialHealth, step, type ServerHealth, type Thresholds } from './state.ts';

const GOOD: CheckResult = { ok: true, detail: 'fine', latencyMs: 1 };
const BAD: CheckResult = { ok: false, detail: 'silent', latencyMs: 1 };
const INTERVAL_MS = 1000;
const DAMPED: Thresholds = { rise: 2, fall: 1, checked: true, damping: { count: 3, withinMs: 60_000, intervalMs: INTERVAL_MS } };

/** Feeds one result an interval; returns the states, and the health at the end. */
function run(results: readonly CheckResult[], thresholds: Thresholds, from = initialHealth(0, true), beginMs = 0): { states: string[]; of: ServerHealth } {
  let of = from;
  const states = results.map((result, i) => {
    const nowMs = beginMs + i * INTERVAL_MS;
    of = step(of, { kind: 'result', result, startedMs: nowMs, nowMs, atMs: nowMs }, thresholds);
    return of.health.state;
  });
  return { states, of };
}

/** Down and up again, `times` over. */
const flaps = (times: number): CheckResult[] => [GOOD, ...Array.from({ length: times }, () => [BAD, GOOD, GOOD]).flat()];

test('the first flaps come back after `rise`, the count-th needs twice as many, then doubled', () => {
  assert.deepEqual(run(flaps(2), DAMPED).states.filter((s, i, all) => i === 0 || s !== all[i - 1]), ['up', 'down', 'up', 'down', 'up']);
  const third = run([...flaps(2), BAD, GOOD, GOOD, GOOD, GOOD], DAMPED);
  assert.deepEqual(third.states.slice(-5), ['down', 'down', 'down', 'down', 'up']);
  const fourth = run([BAD, ...Array.from({ length: 8 }, () => GOOD)], DAMPED, third.of, 12_000);
  assert.deepEqual(fourth.states.slice(-2), ['down', 'up']);
});

test('while it is held it says why and how far it is', () => {
  const { of } = run([...flaps(2), BAD, GOOD], DAMPED);
  assert.equal(of.health.reason, 'fine; it goes up and down: 1 of 4 good checks in a row');
});

test('flaps that are long past do not count', () => {
  const { of } = run(flaps(3).slice(0, -2), DAMPED);
  assert.deepEqual(run([GOOD, GOOD], DAMPED, { ...of, good: 0 }, 200_000).states, ['down', 'up']);
});

test('without damping nothing is remembered', () => {
  assert.deepEqual(run(flaps(50), { ...DAMPED, damping: null }).of.downsMs, []);
});

test('however it flapped, a server that stays good is let back within the time of damping, and not before `rise`', () => {
  const thresholds = fc.record({ rise: fc.integer({ min: 1, max: 5 }), fall: fc.integer({ min: 1, max: 3 }), count: fc.integer({ min: 2, max: 6 }), withinMs: fc.integer({ min: 1000, max: 120_000 }) });
  fc.assert(fc.property(thresholds, fc.array(fc.boolean(), { maxLength: 300 }), ({ rise, fall, count, withinMs }, history) => {
    const rules: Thresholds = { rise, fall, checked: true, damping: { count, withinMs, intervalMs: INTERVAL_MS } };
    const flapped = run([GOOD, ...history.map((ok) => (ok ? GOOD : BAD)), ...Array.from({ length: fall }, () => BAD)], rules);
    assert.equal(flapped.of.health.state, 'down');
    const beginMs = (history.length + fall + 1) * INTERVAL_MS;
    const goods = Math.max(rise, Math.floor(withinMs / INTERVAL_MS));
    const back = run(Array.from({ length: goods }, () => GOOD), rules, flapped.of, beginMs).states.indexOf('up');
    assert.ok(back >= rise - 1, `not before rise: ${back}`);
    assert.ok(flapped.of.downsMs.length <= 200);
  }), { numRuns: 500, seed: 20261127 });
});

test('the number of good checks needed is bounded by what fits into the time, and never less than `rise`', () => {
  const downs = Array.from({ length: 200 }, (_, i) => i);
  assert.equal(dampedRise(downs, 200, DAMPED), 60);
  assert.equal(dampedRise(downs, 200, { rise: 5, damping: { count: 2, withinMs: 1000, intervalMs: 1000 } }), 5);
  assert.equal(dampedRise([0, 1], 2, DAMPED), 0);
});
