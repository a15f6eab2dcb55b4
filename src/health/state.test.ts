import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CheckResult } from './health.ts';
import { HOLD_FIRST_MS, HOLD_MAX_MS, initialHealth, lapseAtMs, REPEAT_WITHIN_MS, step, type HealthEvent, type ServerHealth, type Thresholds } from './state.ts';

const GOOD: CheckResult = { ok: true, detail: 'fine', latencyMs: 1 };
const SILENT: CheckResult = { ok: false, detail: 'no answer within 5000 ms', latencyMs: 5000 };
const REFUSED: CheckResult = { ok: false, detail: 'ICMP port unreachable', latencyMs: 1, finding: 'refused' };
const CANNOT: CheckResult = { ok: false, detail: 'no privilege', latencyMs: 0, finding: 'cannot' };
const CHECKED: Thresholds = { rise: 2, fall: 3, checked: true, damping: null };
const UNCHECKED: Thresholds = { rise: 1, fall: 1, checked: false, damping: null };

function result(r: CheckResult, nowMs = 0, startedMs = nowMs): HealthEvent {
  return { kind: 'result', result: r, startedMs, nowMs, atMs: nowMs };
}
function evidence(nowMs = 0): HealthEvent {
  return { kind: 'evidence', detail: 'ICMP port unreachable', nowMs, atMs: nowMs };
}
function lapse(nowMs: number): HealthEvent {
  return { kind: 'lapse', nowMs, atMs: nowMs };
}
function after(events: readonly HealthEvent[], thresholds = CHECKED, from = initialHealth(0, thresholds.checked)): ServerHealth {
  return events.reduce((s, e) => step(s, e, thresholds), from);
}
function states(events: readonly HealthEvent[], thresholds = CHECKED): string[] {
  let s = initialHealth(0, thresholds.checked);
  return events.map((e) => (s = step(s, e, thresholds)).health.state);
}

describe('a server nobody knows yet', () => {
  test('is unknown and up at its first good check', () => {
    assert.equal(initialHealth(0, true).health.state, 'unknown');
    assert.deepEqual(states([result(GOOD)]), ['up']);
  });
  test('is down at the first refusal', () => {
    assert.deepEqual(states([result(REFUSED)]), ['down']);
  });
  test('is down after `fall` silences, not before', () => {
    assert.deepEqual(states([result(SILENT), result(SILENT), result(SILENT)]), ['unknown', 'unknown', 'down']);
  });
  test('stays unknown while its check cannot run, and says why', () => {
    const s = after([result(CANNOT), result(CANNOT), result(CANNOT), result(CANNOT)]);
    assert.equal(s.health.state, 'unknown');
    assert.equal(s.health.reason, 'the check cannot run: no privilege');
  });
});

describe('a decided server', () => {
  const up = [result(GOOD)];
  const down = [result(REFUSED)];
  test('goes down only after `fall` bad checks in a row, a refusal counting one', () => {
    assert.deepEqual(states([...up, result(REFUSED), result(SILENT), result(GOOD), result(SILENT), result(SILENT), result(SILENT)]).slice(1), ['up', 'up', 'up', 'up', 'up', 'down']);
  });
  test('comes up only after `rise` good checks in a row', () => {
    assert.deepEqual(states([...down, result(GOOD), result(SILENT), result(GOOD), result(GOOD)]).slice(1), ['down', 'down', 'down', 'up']);
  });
  test('keeps its time and reason while the state stays', () => {
    const s = after([result(GOOD, 5), result(GOOD, 10), result(SILENT, 15)]);
    assert.equal(s.health.sinceMs, 5);
    assert.equal(s.health.reason, 'fine');
    assert.deepEqual(s.health.last, { ...SILENT, atMs: 15 });
  });
  test('becomes unknown from up, and stays down, when its check cannot run `fall` times', () => {
    assert.equal(after([...up, result(CANNOT), result(CANNOT)]).health.state, 'up');
    assert.equal(after([...up, result(CANNOT), result(CANNOT), result(CANNOT)]).health.state, 'unknown');
    assert.equal(after([...down, ...Array.from({ length: 9 }, () => result(CANNOT))]).health.state, 'down');
  });
  test('needs `rise` again after its check could not run for a while', () => {
    assert.deepEqual(states([...down, result(GOOD), result(CANNOT), result(GOOD), result(GOOD)]).slice(1), ['down', 'down', 'down', 'up']);
  });
  test('is let back at the first good answer of a changed check', () => {
    const s = after([...down, { kind: 'check-changed', nowMs: 1, atMs: 1 }]);
    assert.equal(s.health.state, 'down');
    assert.equal(step(s, result(GOOD, 2), CHECKED).health.state, 'up');
  });
  test('starts its counts anew when its timers change', () => {
    const s = after([...down, result(GOOD), { kind: 'timing-changed', nowMs: 1, atMs: 1 }]);
    assert.equal(step(s, result(GOOD, 2), CHECKED).health.state, 'down');
  });
});

describe('evidence against a checked server', () => {
  test('puts it down at once and `rise` good checks that began later let it back', () => {
    const seq = [result(GOOD, 0), evidence(100), result(GOOD, 200), result(GOOD, 300)];
    assert.deepEqual(states(seq), ['up', 'down', 'down', 'up']);
  });
  test('outweighs a check that was under way when it came', () => {
    const s = after([result(GOOD, 0), evidence(100), result(GOOD, 150, 90), result(GOOD, 200)]);
    assert.equal(s.health.state, 'down');
  });
  test('starts the count of good checks anew when it repeats', () => {
    const s = after([result(GOOD, 0), evidence(100), result(GOOD, 200), evidence(250), result(GOOD, 300)]);
    assert.equal(s.health.state, 'down');
  });
  test('does not lapse by time', () => {
    const s = after([evidence(0), lapse(HOLD_FIRST_MS), lapse(10 * HOLD_MAX_MS)]);
    assert.equal(s.health.state, 'down');
  });
  test('lapses by time when the check cannot run', () => {
    const s = after([evidence(0), result(CANNOT, 1), result(CANNOT, 2), result(CANNOT, 3), lapse(HOLD_FIRST_MS)]);
    assert.equal(s.health.state, 'unknown');
  });
});

describe('evidence against an unchecked server', () => {
  test('holds it down for 10 s, then it is tried again', () => {
    const s = after([evidence(0)], UNCHECKED);
    assert.equal(s.health.state, 'down');
    assert.match(s.health.reason, /ICMP port unreachable \(seen in traffic; tried again after 10 s\)/);
    assert.equal(step(s, lapse(HOLD_FIRST_MS - 1), UNCHECKED).health.state, 'down');
    assert.equal(step(s, lapse(HOLD_FIRST_MS), UNCHECKED).health.state, 'unknown');
  });
  test('doubles the hold when it repeats, up to the cap, and starts small again after a quiet time', () => {
    let s = initialHealth(0, false);
    let now = 0;
    const holds: number[] = [];
    for (let i = 0; i < 5; i++) {
      s = step(s, evidence(now), UNCHECKED);
      holds.push(s.evidence?.holdMs ?? 0);
      now = lapseAtMs(s) ?? 0;
      s = step(s, lapse(now), UNCHECKED);
      now += REPEAT_WITHIN_MS;
    }
    assert.deepEqual(holds, [10_000, 20_000, 40_000, 60_000, 60_000]);
    s = step(s, evidence(now + 1), UNCHECKED);
    assert.equal(s.evidence?.holdMs, HOLD_FIRST_MS);
  });
  test('is not stretched by the datagrams still under way', () => {
    const s = after([evidence(0), evidence(5), evidence(9000)], UNCHECKED);
    assert.equal(lapseAtMs(s), HOLD_FIRST_MS);
  });
  test('is forgotten a minute after it lapsed', () => {
    const s = after([evidence(0), lapse(HOLD_FIRST_MS), lapse(HOLD_FIRST_MS + REPEAT_WITHIN_MS)], UNCHECKED);
    assert.equal(s.evidence, null);
  });
});

test('however checks flap, a decided server changes exactly at `rise` good or `fall` bad ones in a row', () => {
  const results = fc.array(fc.constantFrom(GOOD, SILENT, REFUSED), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(results, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.boolean(), (sequence, rise, fall, startUp) => {
      const thresholds: Thresholds = { rise, fall, checked: true, damping: null };
      let s = after([result(startUp ? GOOD : REFUSED)], thresholds);
      // The model: the lengths of the runs, counted by hand.
      let state = startUp ? 'up' : 'down';
      let good = 0;
      let bad = 0;
      sequence.forEach((r, i) => {
        good = r.ok ? good + 1 : 0;
        bad = r.ok ? 0 : bad + 1;
        if (state === 'down' && good >= rise) state = 'up';
        else if (state === 'up' && bad >= fall) state = 'down';
        s = step(s, result(r, i + 1), thresholds);
        assert.equal(s.health.state, state);
      });
    }),
    { seed: 20261122, numRuns: 500 },
  );
});

test('checks that cannot run never put a server down, wherever they come', () => {
  const kinds = fc.array(fc.constantFrom(GOOD, SILENT, REFUSED, CANNOT), { maxLength: 60 });
  fc.assert(
    fc.property(kinds, (sequence) => {
      let s = initialHealth(0, true);
      sequence.forEach((r, i) => {
        const before = s.health.state;
        s = step(s, result(r, i), CHECKED);
        if (r.finding === 'cannot' && before !== 'down') assert.notEqual(s.health.state, 'down');
        if (r.finding === 'cannot' && before === 'down') assert.equal(s.health.state, 'down');
      });
    }),
    { seed: 20261122, numRuns: 300 },
  );
});

test('whatever happens, a counter never grows beyond its limit and at most one is above zero', () => {
  const event = fc.oneof(
    fc.constantFrom(GOOD, SILENT, REFUSED, CANNOT).map((r) => (now: number) => result(r, now)),
    fc.constant((now: number) => evidence(now)),
    fc.constant((now: number) => lapse(now)),
    fc.constant((now: number): HealthEvent => ({ kind: 'check-changed', nowMs: now, atMs: now })),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat(20_000)), { maxLength: 80 }), (events) => {
      let s = initialHealth(0, true);
      let now = 0;
      for (const [make, later] of events) {
        now += later;
        s = step(s, make(now), CHECKED);
        assert.ok([s.good, s.bad, s.cannot].filter((n) => n > 0).length <= 1);
        assert.ok(s.good <= CHECKED.rise && s.bad <= CHECKED.fall && s.cannot <= CHECKED.fall);
        if (s.evidence?.standing === true) assert.equal(s.health.state, 'down');
      }
    }),
    { seed: 20261122, numRuns: 500 },
  );
});
