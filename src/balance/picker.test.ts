import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mix32 } from './hash.ts';
import { createPicker, hashTable, type Candidate, type PickerState } from './picker.ts';
import { BALANCES, type Balance } from './terms.ts';

/** Counts, blocks and numbers as plain arrays; random() is a fixed sequence. */
class FakeState implements PickerState {
  readonly counts: number[];
  readonly down: Set<number>;
  position = 0;
  seed = 1;
  constructor(size: number, down: number[] = []) {
    this.counts = Array.from({ length: size }, () => 0);
    this.down = new Set(down);
  }
  active(i: number): number {
    return this.counts[i];
  }
  blocked(i: number): boolean {
    return this.down.has(i);
  }
  next(): number {
    return this.position++;
  }
  random(): number {
    return mix32((this.seed = (this.seed + 0x9e3779b9) | 0));
  }
}

const candidates = (...weights: number[]): Candidate[] => weights.map((weight, i) => ({ key: `s${i}|10.0.0.${i + 1}|53`, weight }));
const client = (n: number): { source: number; flow: number; dest: number } => ({ source: mix32(n), flow: mix32(n + 7_000_000), dest: mix32(n % 5000) });
const arbitraryWeights = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 256 })), { minLength: 0, maxLength: 10 });
const arbitraryBalance = fc.constantFrom(...BALANCES);

/** Where `count` requests go; with `live`, each one stays active. */
function tally(balance: Balance, servers: Candidate[], count: number, options: { state?: FakeState; live?: boolean } = {}): number[] {
  const state = options.state ?? new FakeState(servers.length);
  const picker = createPicker(balance, servers, state);
  const out = servers.map(() => 0);
  for (let n = 0; n < count; n++) {
    const i = picker.pick(client(n));
    if (i < 0) continue;
    out[i]++;
    if (options.live) state.counts[i]++;
  }
  return out;
}

test('no algorithm picks weight 0 or a blocked server, and -1 comes only when none is left', () => {
  fc.assert(
    fc.property(arbitraryBalance, arbitraryWeights, fc.infiniteStream(fc.nat(3)), (balance, weights, numbers) => {
      const state = new FakeState(weights.length, [...weights.keys()].filter(() => numbers.next().value === 0));
      weights.forEach((_, i) => (state.counts[i] = numbers.next().value as number));
      const picker = createPicker(balance, candidates(...weights), state);
      const free = weights.some((w, i) => w > 0 && !state.down.has(i));
      for (let n = 0; n < 30; n++) {
        const i = picker.pick(client(n));
        if (!free) assert.equal(i, -1);
        else assert.ok(i >= 0 && i < weights.length && weights[i] > 0 && !state.down.has(i), `${balance} picked ${i} of ${weights.join()}, blocked ${[...state.down].join()}`);
      }
    }),
    { seed: 5, numRuns: 400 },
  );
});

test('the spreading algorithms follow the weights', () => {
  const servers = candidates(10, 20, 0, 30, 40);
  for (const balance of ['roundrobin', 'random', 'maglev', 'source', 'dest', 'srcdst'] as const) {
    const got = tally(balance, servers, 20_000);
    // Five standard deviations of the binomial, and for dest of its 5000 distinct destinations.
    const draws = balance === 'dest' ? 5000 : 20_000;
    servers.forEach(({ weight }, i) => {
      const p = weight / 100;
      assert.ok(Math.abs(got[i] / 20_000 - p) <= 5 * Math.sqrt((p * (1 - p)) / draws) + 0.003, `${balance}: ${got.join()}`);
    });
  }
  for (const balance of ['leastconn', 'shortestexpected', 'neverqueue'] as const) {
    assert.deepEqual(tally(balance, servers, 1000, { live: true }).map((n) => Math.round(n / 10)), [10, 20, 0, 30, 40], balance);
  }
});

test('idle servers take turns by weight under leastconn and neverqueue', () => {
  for (const balance of ['leastconn', 'neverqueue'] as const) {
    assert.deepEqual(tally(balance, candidates(1, 1, 1), 3), [1, 1, 1]);
    const got = tally(balance, candidates(1, 3), 1000);
    assert.ok(Math.abs(got[1] - 750) <= 5, got.join());
  }
});

test('roundrobin is exact over each rotation, and stays even over the others when one is blocked', () => {
  assert.deepEqual(tally('roundrobin', candidates(5, 1, 1), 70), [50, 10, 10]);
  const blocked = new FakeState(4, [1]);
  assert.deepEqual(tally('roundrobin', candidates(1, 1, 1, 1), 300, { state: blocked }), [100, 0, 100, 100]);
});

test('workers that share a position share one rotation', () => {
  const state = new FakeState(3);
  const workers = [0, 1].map(() => createPicker('roundrobin', candidates(1, 1, 1), state));
  const got = [0, 0, 0];
  for (let n = 0; n < 300; n++) got[workers[mix32(n) & 1].pick(client(0))]++;
  assert.deepEqual(got, [100, 100, 100]);
});

test('roundrobin survives a position that wraps or goes negative as an Int32', () => {
  const state = new FakeState(3);
  state.position = -2;
  const picker = createPicker('roundrobin', candidates(1, 1, 1), state);
  for (let n = 0; n < 6; n++) assert.ok(picker.pick(client(n)) >= 0);
});

test('leastconn compares sessions by weight', () => {
  const state = new FakeState(3);
  state.counts.splice(0, 3, 12, 5, 21);
  // 1.2, 1.25 and 1.05
  assert.equal(createPicker('leastconn', candidates(10, 4, 20), state).pick(client(0)), 2);
  state.down.add(2);
  assert.equal(createPicker('leastconn', candidates(10, 4, 20), state).pick(client(0)), 0);
});

test('shortestexpected prefers the fast server where leastconn sees a tie, neverqueue the idle one', () => {
  const state = new FakeState(2);
  const servers = candidates(1, 10);
  for (let n = 0; n < 5; n++) assert.equal(createPicker('shortestexpected', servers, state).pick(client(n)), 1);
  state.counts[1] = 3;
  assert.equal(createPicker('shortestexpected', servers, state).pick(client(0)), 1);
  assert.equal(createPicker('neverqueue', servers, state).pick(client(0)), 0);
});

test('failover stays on the highest weight, equals in configuration order', () => {
  const state = new FakeState(4);
  const picker = createPicker('failover', candidates(5, 10, 10, 0), state);
  const order: number[] = [];
  for (;;) {
    const i = picker.pick(client(0));
    order.push(i);
    if (i < 0) break;
    state.down.add(i);
  }
  assert.deepEqual(order, [1, 2, 0, -1]);
});

test('hash algorithms: a blocked server moves its own clients only, spread over the others, and they come back', () => {
  for (const balance of ['source', 'srcdst', 'maglev', 'dest'] as const) {
    const servers = candidates(1, 1, 1, 1, 1);
    const state = new FakeState(5);
    const picker = createPicker(balance, servers, state);
    const before = Array.from({ length: 3000 }, (_, n) => picker.pick(client(n)));
    state.down.add(2);
    const during = before.map((_, n) => picker.pick(client(n)));
    const again = before.map((_, n) => picker.pick(client(n)));
    assert.deepEqual(during, again, 'the next choice is deterministic');
    const heirs = new Map<number, number>();
    before.forEach((i, n) => {
      if (i !== 2) assert.equal(during[n], i);
      else heirs.set(during[n], (heirs.get(during[n]) ?? 0) + 1);
    });
    assert.deepEqual([...heirs.keys()].toSorted((a, b) => a - b), [0, 1, 3, 4], `${balance} gives a lost share to all`);
    state.down.clear();
    assert.deepEqual(before.map((_, n) => picker.pick(client(n))), before);
  }
});

test('each hash algorithm looks at its own part of the client', () => {
  const picker = (balance: Balance): ((request: { source: number; flow: number; dest: number }) => number) => {
    const p = createPicker(balance, candidates(...Array.from({ length: 50 }, () => 1)), new FakeState(50));
    return (request) => p.pick(request);
  };
  const base = client(1);
  const differs = (balance: Balance, part: 'source' | 'flow' | 'dest'): boolean => Array.from({ length: 20 }, (_, n) => picker(balance)({ ...base, [part]: mix32(n) })).some((i) => i !== picker(balance)(base));
  const parts = (balance: Balance): string[] => (['source', 'flow', 'dest'] as const).filter((part) => differs(balance, part));
  assert.deepEqual(parts('source'), ['source']);
  assert.deepEqual(parts('dest'), ['dest']);
  assert.deepEqual(parts('srcdst'), ['source', 'dest']);
  assert.deepEqual(parts('maglev'), ['flow']);
});

test('a table made elsewhere gives the same picks; a wrong one is refused', () => {
  const servers = candidates(3, 1, 2);
  const table = hashTable('maglev', servers)!;
  const [a, b] = [createPicker('maglev', servers, new FakeState(3)), createPicker('maglev', servers, new FakeState(3), { table })];
  for (let n = 0; n < 100; n++) assert.equal(a.pick(client(n)), b.pick(client(n)));
  assert.equal(hashTable('leastconn', servers), null);
  assert.throws(() => createPicker('maglev', servers, new FakeState(3), { table: new Uint16Array(3) }), RangeError);
});

test('random picks are by chance: two pickers with other numbers differ', () => {
  const servers = candidates(1, 1);
  const [one, two] = [new FakeState(2), new FakeState(2)];
  two.seed = 99;
  const run = (state: FakeState): number[] => Array.from({ length: 64 }, (_, n) => createPicker('random', servers, state).pick(client(n)));
  assert.notDeepEqual(run(one), run(two));
});
