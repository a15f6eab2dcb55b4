import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { explainPick } from './explain.ts';
import { mix32 } from './hash.ts';
import { createPicker, type Candidate, type PickerState } from './picker.ts';
import { BALANCES } from './terms.ts';

const candidates = (...weights: number[]): Candidate[] => weights.map((weight, i) => ({ key: `s${i}`, weight }));

test('explain names what pick then returns, for every algorithm and state, and changes nothing', () => {
  fc.assert(
    fc.property(fc.constantFrom(...BALANCES), fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 6 }), fc.array(fc.nat(9), { minLength: 6, maxLength: 6 }), fc.nat(), fc.nat(63), (balance, weights, counts, n, mask) => {
      const servers = candidates(...weights);
      let position = n;
      let seed = n;
      let blockedMask = 0;
      const live: PickerState = { active: (i) => counts[i], blocked: (i) => ((blockedMask >> i) & 1) === 1, next: () => position++, random: () => mix32(seed++) };
      const looking: PickerState = { ...live, next: () => position, random: () => mix32(seed) };
      const picker = createPicker(balance, servers, live);
      const request = { source: mix32(n), flow: mix32(n + 1), dest: mix32(n + 2) };
      picker.pick(request);
      // Random with a blocked server draws again, which a look ahead cannot.
      if (balance !== 'random') blockedMask = mask;
      const before = [position, seed];
      const explained = explainPick({ balance, servers, state: looking, request, picker });
      assert.deepEqual([position, seed], before);
      assert.equal(explained.notes.length, servers.length);
      assert.equal(explained.index, picker.pick(request), `${balance} ${weights.join()}`);
    }),
    { seed: 6, numRuns: 300 },
  );
});

test('notes give the arithmetic', () => {
  const state: PickerState = { active: (i) => [12, 1, 0, 3][i], blocked: (i) => i === 3, next: () => 0, random: () => 0 };
  const explain = (balance: (typeof BALANCES)[number]) => explainPick({ balance, servers: candidates(10, 3, 0, 7), state, request: { source: 1, flow: 2, dest: 3 } });
  assert.deepEqual(explain('leastconn').notes, ['12 sessions / weight 10 = 1.2', '1 session / weight 3 = 0.333', 'weight 0: takes no new sessions', 'skipped, evidence that it is down; 3 sessions / weight 7 = 0.429']);
  assert.equal(explain('shortestexpected').notes[0], '(12 sessions + 1) / weight 10 = 1.3');
  assert.equal(explain('roundrobin').notes[0], 'weight 10: 50 % of the turns');
  assert.equal(explain('failover').notes[1], 'choice 3 of 3, weight 3');
  assert.equal(explain('maglev').notes[1], 'weight 3: 15 % of the hash table');
});

test('no server is explained too', () => {
  const state: PickerState = { active: () => 0, blocked: () => true, next: () => 0, random: () => 0 };
  const why = (...weights: number[]): string => explainPick({ balance: 'roundrobin', servers: candidates(...weights), state, request: { source: 1, flow: 2, dest: 3 } }).why;
  assert.equal(why(), 'there is no server');
  assert.equal(why(0, 0), 'every server has weight 0');
  assert.match(why(0, 1), /blocked by evidence/);
});
