import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SCHEDULE_MAX, weightedSchedule } from './schedule.ts';

const text = (weights: number[]): string => Array.from(weightedSchedule(weights), (i) => 'abcdefgh'[i]).join('');

test('5,1,1 is interleaved, equal weights follow the configuration, common factors vanish', () => {
  assert.equal(text([5, 1, 1]), 'abaaaca');
  assert.equal(text([1, 1, 1]), 'abc');
  assert.equal(text([100, 100]), 'ab');
  assert.equal(text([20, 10]), 'aba');
  assert.equal(text([0, 3]), 'b');
  assert.equal(text([0, 0]), '');
  assert.equal(text([]), '');
});

test('every server has exactly its turns, and never waits much longer than its fair gap', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 256 }), { minLength: 1, maxLength: 12 }), (weights) => {
      const schedule = weightedSchedule(weights);
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((w, server) => {
        const at = Array.from(schedule.keys()).filter((i) => schedule[i] === server);
        assert.equal(at.length * total, w * schedule.length);
        // Distinct weights meet at the same point, so a gap may grow by one turn of each other class at either end.
        const fair = at.length === 0 ? 0 : schedule.length / at.length;
        at.forEach((x, k) => {
          const gap = k + 1 < at.length ? at[k + 1] - x : at[0] + schedule.length - x;
          assert.ok(gap <= 2 * fair + 2 * weights.length, `server ${server} of ${weights.join()} waits ${gap}, fair ${fair}`);
        });
      });
    }),
    { seed: 4, numRuns: 200 },
  );
});

test('a heavy server never takes much more of any stretch than its share', () => {
  const schedule = weightedSchedule([50, 10, 5, 1, 7]);
  for (let from = 0; from < schedule.length; from++) {
    let heavy = 0;
    for (let k = 1; k <= schedule.length; k++) {
      if (schedule[(from + k - 1) % schedule.length] === 0) heavy++;
      assert.ok(Math.abs(heavy - (k * 50) / 73) <= 3, `${heavy} of ${k}`);
    }
  }
});

test('above the bound shares are rounded but nobody loses its turn', () => {
  const weights = Array.from({ length: 1000 }, (_, i) => (i % 256) + 1);
  const schedule = weightedSchedule(weights);
  assert.ok(schedule.length <= SCHEDULE_MAX);
  const counts = new Uint32Array(1000);
  for (const i of schedule) counts[i]++;
  const total = weights.reduce((a, b) => a + b, 0);
  counts.forEach((n, i) => assert.ok(n >= 1 && Math.abs(n - (weights[i] * schedule.length) / total) <= 2));
  assert.throws(() => weightedSchedule(Array.from({ length: 65536 }, () => 1)), RangeError);
});
