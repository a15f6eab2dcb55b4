import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAGLEV_NONE, MAGLEV_SIZE, maglevTable } from './maglev.ts';

type Servers = { key: string; weight: number }[];
/** Small tables keep the properties fast; what they show does not depend on the size. */
const SIZE = 4093;
const arbitraryServers = (max = 20): fc.Arbitrary<Servers> =>
  fc.uniqueArray(fc.record({ key: fc.string({ minLength: 1, maxLength: 20 }), weight: fc.integer({ min: 0, max: 256 }) }), { minLength: 1, maxLength: max, selector: (s) => s.key });
const equalServers = (n: number): Servers => Array.from({ length: n }, (_, i) => ({ key: `s${i}|10.0.0.${i}|53`, weight: 10 }));
const keysOf = (servers: Servers, table: Uint16Array): string[] => Array.from(table, (i) => servers[i]?.key ?? '-');
const moved = (a: string[], b: string[]): number => a.filter((key, i) => key !== b[i]).length;

test('shares follow weights within half a percent of the table and one entry', () => {
  fc.assert(
    fc.property(arbitraryServers(), (servers) => {
      const table = maglevTable(servers, SIZE);
      const total = servers.reduce((a, s) => a + s.weight, 0);
      const counts = servers.map((_, i) => table.filter((x) => x === i).length);
      if (total === 0) return assert.ok(table.every((x) => x === MAGLEV_NONE));
      servers.forEach(({ weight }, i) => assert.ok(Math.abs(counts[i] - (SIZE * weight) / total) <= 2 + SIZE * 0.005, `${JSON.stringify(servers)}: ${counts.join()}`));
      servers.forEach(({ weight }, i) => weight === 0 && assert.equal(counts[i], 0));
    }),
    { seed: 2, numRuns: 150 },
  );
});

test('the assignment depends on keys and weights alone, not on order or identity', () => {
  fc.assert(
    fc.property(arbitraryServers(), fc.infiniteStream(fc.nat()), (servers, numbers) => {
      const shuffled = servers.map((s) => ({ ...s, rank: numbers.next().value as number })).sort((a, b) => a.rank - b.rank);
      assert.deepEqual(keysOf(shuffled, maglevTable(shuffled, SIZE)), keysOf(servers, maglevTable(servers, SIZE)));
    }),
    { seed: 3, numRuns: 60 },
  );
});

test('removing one of n servers moves its own share and little more', () => {
  for (const n of [2, 3, 10, 50, 100]) {
    const before = equalServers(n);
    const old = keysOf(before, maglevTable(before));
    const after = before.filter((_, i) => i !== n >> 1);
    const now = keysOf(after, maglevTable(after));
    const share = old.filter((key) => key === before[n >> 1].key).length;
    const strays = moved(old, now) - share;
    assert.ok(strays / MAGLEV_SIZE < 0.02, `${n} servers: ${strays} entries of others moved`);
  }
});

test('a weight change moves about the difference of the shares', () => {
  for (const [from, to] of [[10, 11], [10, 5], [10, 20], [1, 2]] as const) {
    const before = equalServers(10).map((s) => ({ ...s, weight: from }));
    const after = before.map((s, i) => (i === 3 ? { ...s, weight: to } : s));
    const difference = Math.abs(to / (9 * from + to) - 0.1) * MAGLEV_SIZE;
    const changed = moved(keysOf(before, maglevTable(before)), keysOf(after, maglevTable(after)));
    assert.ok(changed < difference * 2 + MAGLEV_SIZE * 0.04, `weight ${from} to ${to}: ${changed} moved, the shares differ by ${difference}`);
  }
});

test('an index that shifts because another server went keeps its entries', () => {
  const before = equalServers(5);
  const after = before.slice(1);
  const old = keysOf(before, maglevTable(before));
  const now = keysOf(after, maglevTable(after));
  const strays = old.filter((key, i) => key !== before[0].key && key !== now[i]).length;
  assert.ok(strays < MAGLEV_SIZE * 0.02, `${strays} moved`);
});

test('shared memory can be filled in place, and wrong sizes are refused', () => {
  const into = new Uint16Array(new SharedArrayBuffer(SIZE * 2));
  assert.equal(maglevTable(equalServers(3), SIZE, into), into);
  assert.ok(into.every((x) => x < 3));
  assert.throws(() => maglevTable(equalServers(3), SIZE, new Uint16Array(7)), RangeError);
  assert.throws(() => maglevTable(Array.from({ length: 65536 }, () => ({ key: '', weight: 1 }))), RangeError);
});

test('a table for 100 servers is made in milliseconds', (t) => {
  const servers = equalServers(100);
  maglevTable(servers);
  const start = performance.now();
  maglevTable(servers);
  const took = performance.now() - start;
  t.diagnostic(`${took.toFixed(1)} ms`);
  assert.ok(took < 250, `${took} ms; about 6 ms on a free core`);
});
