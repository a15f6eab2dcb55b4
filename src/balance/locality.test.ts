import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPicker, type Candidate, type Picker, type PickerState } from './picker.ts';
import { DESTINATIONS, REPLICATION_SHRINK_MS } from './locality.ts';
import type { Balance } from './terms.ts';

const candidates = (...weights: number[]): Candidate[] => weights.map((weight, i) => ({ key: `s${i}`, weight }));

function setUp(balance: Balance, servers: Candidate[], previous?: Picker): { counts: number[]; down: Set<number>; clock: { ms: number }; picker: Picker; pick: (dest: number) => number } {
  const counts = servers.map(() => 0);
  const down = new Set<number>();
  const clock = { ms: 0 };
  let position = 0;
  const state: PickerState = { active: (i) => counts[i], blocked: (i) => down.has(i), next: () => position++, random: () => 0, nowMs: () => clock.ms };
  const picker = createPicker(balance, servers, state, previous ? { previous } : {});
  return { counts, down, clock, picker, pick: (dest) => picker.pick({ source: 1, flow: 1, dest }) };
}

test('localitybased keeps a destination on its server until that is overloaded while another is half idle', () => {
  const { counts, pick } = setUp('localitybased', candidates(10, 10));
  const first = pick(7);
  counts[first] = 10;
  assert.equal(pick(7), first, 'ten sessions on weight ten are no overload');
  counts[first] = 11;
  counts[1 - first] = 5;
  assert.equal(pick(7), first, 'the other has not less than half its weight');
  counts[1 - first] = 4;
  assert.equal(pick(7), 1 - first);
  assert.equal(pick(7), 1 - first, 'and there it stays');
});

test('localitybased leaves a blocked server', () => {
  const { down, pick } = setUp('localitybased', candidates(1, 1));
  const first = pick(7);
  down.add(first);
  assert.equal(pick(7), 1 - first);
  down.clear();
  assert.equal(pick(7), 1 - first);
});

test('destinations are kept apart', () => {
  const { counts, pick } = setUp('localitybased', candidates(100, 100));
  const a = pick(1);
  counts[a] = 50;
  const b = pick(2);
  assert.notEqual(a, b);
  assert.equal(pick(1), a);
  assert.equal(pick(0xffffffff), pick(0xffffffff));
});

test('replication grows the set under load, serves from its least loaded, and shrinks after a day', () => {
  const { counts, clock, picker, pick } = setUp('localitybased-replication', candidates(10, 10, 10));
  const first = pick(7);
  counts[first] = 11;
  const second = pick(7);
  assert.notEqual(second, first);
  assert.deepEqual(picker.locality!.servers(7), [first, second].toSorted((a, b) => a - b));
  counts[second] = 2;
  assert.equal(pick(7), second);
  counts[first] = 1;
  assert.equal(pick(7), first, 'the set is kept, so the first serves again');
  clock.ms = REPLICATION_SHRINK_MS + 1;
  pick(7);
  assert.deepEqual(picker.locality!.servers(7), [first], 'the busiest went');
});

test('what is remembered is bounded, and what is forgotten is counted', () => {
  const { picker, pick } = setUp('localitybased', candidates(1, 1));
  for (let dest = 0; dest < DESTINATIONS * 3; dest++) pick(dest);
  const { length } = picker.locality!.entries();
  assert.ok(length <= DESTINATIONS && length > DESTINATIONS * 0.9, `${length}`);
  assert.equal(picker.locality!.evicted(), DESTINATIONS * 3 - length);
});

test('a destination in use outlives a flood of others in its bucket', () => {
  const { counts, pick } = setUp('localitybased', candidates(1, 1));
  const home = pick(42);
  // One session is no overload, but a destination that was forgotten would now start on the idle server.
  counts[home] = 1;
  for (let dest = 1000; dest < 1000 + DESTINATIONS * 2; dest++) {
    pick(dest);
    assert.equal(pick(42), home);
  }
});

test('a picker for a changed set of servers inherits what still stands, whatever the order', () => {
  const old = setUp('localitybased', candidates(1, 1, 1));
  const homes = Array.from({ length: 50 }, (_, dest) => {
    const i = old.pick(dest);
    old.counts[i]++;
    old.counts.fill(0);
    return `s${i}`;
  });
  const servers = [{ key: 's2', weight: 1 }, { key: 's0', weight: 1 }, { key: 's1', weight: 0 }];
  const next = setUp('localitybased', servers, old.picker);
  homes.forEach((key, dest) => {
    const chosen = servers[next.pick(dest)].key;
    if (key === 's1') assert.notEqual(chosen, 's1');
    else assert.equal(chosen, key);
  });
});
