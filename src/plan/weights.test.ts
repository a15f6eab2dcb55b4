import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_WEIGHT } from '../balance/terms.ts';
import { weightsInForce } from './weights.ts';

test('weights stay as they are while every server has all of its own or nothing', () => {
  assert.deepEqual(weightsInForce([{ weight: 1, percent: 100 }, { weight: 256, percent: 100 }, { weight: 5, percent: 0 }]), [1, 256, 0]);
});

test('a tenth of a weight of 1 is one against ten of each other server', () => {
  assert.deepEqual(weightsInForce([{ weight: 1, percent: 10 }, { weight: 1, percent: 100 }, { weight: 3, percent: 100 }]), [2, 20, 60]);
});

test('shares stay in order and in bounds, and what has a share takes traffic', () => {
  const server = fc.record({ weight: fc.integer({ min: 0, max: MAX_WEIGHT }), percent: fc.integer({ min: 0, max: 100 }) });
  fc.assert(fc.property(fc.array(server, { minLength: 1, maxLength: 20 }), (servers) => {
    const weights = weightsInForce(servers);
    for (const [i, { weight, percent }] of servers.entries()) {
      const mine = weights[i] ?? -1;
      assert.ok(mine >= 0 && mine <= MAX_WEIGHT);
      assert.equal(mine > 0, weight > 0 && percent > 0);
      for (const [j, other] of servers.entries()) if (weight * percent > other.weight * other.percent && other.percent > 0) assert.ok(mine >= (weights[j] ?? 0));
    }
  }));
});
