import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROWTH_MOST, growthOf, longestLife, median, theilSen, type Sample } from './growth.ts';
import { countedBetween, type Counters } from './readings.ts';
import { Random } from '../xdp/random.ts';

const sample = (atMs: number, rssMiB: number, pid = 1): Sample => ({ atMs, pid, rssMiB, heapMiB: 30, fds: 50, threads: 13, timers: 2 });
/** Five minutes, one a second, with noise of some MiB as collection makes it. */
const life = (rss: (s: number) => number): readonly Sample[] => {
  const random = new Random(1);
  return Array.from({ length: 300 }, (_, s) => sample(s * 1000, rss(s) + random.below(8)));
};
const rssOf = (samples: readonly Sample[]) => growthOf(samples).find(({ measure }) => measure === 'rssMiB');

test('a process that has warmed up does not grow; one that leaks does, however noisy both are', () => {
  assert.equal(rssOf(life((s) => 200 - 80 * Math.exp(-s / 20)))?.ok, true);
  const leak = rssOf(life((s) => 200 + (2 * GROWTH_MOST.rssMiB * s) / 200));
  assert.equal(leak?.ok, false);
  assert.ok(Math.abs((leak?.growth ?? 0) - 2 * GROWTH_MOST.rssMiB) < 6, `${leak?.growth}`);
});

test('a peak that goes again is not growth', () => {
  assert.equal(rssOf(life((s) => (s % 20 < 4 ? 300 : 200)))?.ok, true);
});

test('a descriptor that is not closed each ten seconds is seen', () => {
  const fds = growthOf(life(() => 200).map((s, i) => ({ ...s, fds: 50 + Math.floor(i / 10) }))).find(({ measure }) => measure === 'fds');
  assert.equal(fds?.ok, false);
});

test('the longest life is looked at, and too short a one refuses to say', () => {
  assert.deepEqual(longestLife([sample(0, 1, 1), sample(1, 1, 2), sample(5, 1, 2), sample(9, 1, 3)]).map(({ pid }) => pid), [2, 2]);
  assert.throws(() => growthOf([sample(0, 1), sample(1, 1)]), RangeError);
});

test('median and slope', () => {
  assert.deepEqual([median([]), median([3, 1, 2]), median([4, 1, 2, 3])], [0, 2, 2.5]);
  assert.equal(theilSen([{ x: 0, y: 0 }, { x: 1, y: 2 }, { x: 2, y: 4 }, { x: 3, y: 100 }]) < 40, true);
});

const counters = (epoch: string, atMs: number, drops: Readonly<Record<string, Readonly<Record<string, number>>>>, engine: Readonly<Record<string, number>> = {}): Counters => ({ epoch, fromMs: atMs - 300, toMs: atMs, directors: drops, engine });

test('what counters counted between two readings', () => {
  const first = counters('a', 1000, { web: { no_port: 2 } }, { unexpected_reply: 1 });
  assert.deepEqual(countedBetween(null, first, 0).map((h) => h.kind === 'counted' && [h.director, h.reason, h.count, h.fromMs, h.toMs]), [['web', 'no_port', 2, 0, 1000], [null, 'unexpected_reply', 1, 0, 1000]]);
  const next = counters('a', 2000, { web: { no_port: 5 }, dns: { no_server: 1 } }, { unexpected_reply: 1 });
  assert.deepEqual(countedBetween(first, next, 0).map((h) => h.kind === 'counted' && [h.director, h.reason, h.count, h.fromMs]), [['web', 'no_port', 3, 700], ['dns', 'no_server', 1, 700]]);
});

test('counters of another epoch, and of a director that is new under its name, began at zero', () => {
  const before = counters('a', 1000, { web: { no_port: 5 } });
  assert.deepEqual(countedBetween(before, counters('b', 2000, { web: { no_port: 6 } }), 0).map((h) => h.kind === 'counted' && h.count), [6]);
  assert.deepEqual(countedBetween(before, counters('a', 2000, { web: { no_port: 2 } }), 0).map((h) => h.kind === 'counted' && h.count), [2]);
});
