import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCells, fateOf } from '../failover/cells.ts';
import type { Arrival } from '../failover/flow.ts';
import { faultOf, outcomeOf } from '../failover/outcome.ts';

/** A flow of one datagram each 10 ms from 0; `server(n)` says who gets number n, null nobody. */
function flow(count: number, server: (n: number) => string | null): { sentMs: number[]; arrivals: Arrival[]; answers: Arrival[] } {
  const sentMs = Array.from({ length: count }, (_, n) => n * 10);
  const arrivals = sentMs.flatMap((at, sequence) => {
    const name = server(sequence);
    return name === null ? [] : [{ sequence, server: name, atMs: at + 1 }];
  });
  return { sentMs, arrivals, answers: [] };
}

const BOUND = { lost: 1, gapMs: 30 };

test('a flow that moves at once has no loss and no gap', () => {
  const outcome = outcomeOf(flow(100, (n) => (n < 50 ? 'a' : 'b')), 500, 500);
  assert.deepEqual(outcome, { sent: 100, lost: 0, gapMs: 0, servers: ['b'], movedMs: 1, doubled: 0 });
  assert.equal(faultOf('moves', outcome, BOUND), null);
  assert.match(faultOf('stays', outcome, BOUND) ?? '', /go to b, expected a/);
});

test('what is lost, late or doubled is a fault', () => {
  const holed = outcomeOf(flow(100, (n) => (n < 50 ? 'a' : n < 60 ? null : 'b')), 500, 500);
  assert.equal(holed.lost, 10);
  assert.equal(holed.gapMs, 100);
  assert.match(faultOf('moves', holed, BOUND) ?? '', /10 lost/);
  assert.match(faultOf('moves', holed, { lost: 20, gapMs: 30 }) ?? '', /gap of/);
  const twice = flow(100, () => 'a');
  twice.arrivals.push({ sequence: 7, server: 'a', atMs: 71 });
  assert.match(faultOf('stays', outcomeOf(twice, 500, 500), BOUND) ?? '', /twice/);
});

test('a flow that is kept for a time is told from one that moves at once and from one that never does', () => {
  const at = (moves: number) => outcomeOf(flow(150, (n) => (n * 10 < moves ? 'a' : 'b')), 500, 500);
  assert.equal(faultOf('later', at(900), BOUND), null);
  assert.match(faultOf('later', at(510), BOUND) ?? '', /moved after/);
  assert.match(faultOf('later', outcomeOf(flow(150, () => 'a'), 500, 500), BOUND) ?? '', /expected a, then b/);
});

test('every event, kind and action has a cell of its own', () => {
  const cells = allCells();
  assert.equal(cells.length, 7 * 3 * 4);
  assert.equal(new Set(cells.map((c) => c.name)).size, cells.length);
  assert.deepEqual([...new Set(cells.map(fateOf))].toSorted(), ['dropped', 'later', 'moves', 'stays']);
});
