import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger, LATE_MS } from './ledger.ts';
import type { Kind } from './model.ts';

const send = (ledger: Ledger, id: number, sentMs: number, kind: Kind = 'two-way', flow = 'fixed 0.0'): void => ledger.sent({ id, director: kind, kind, flow, sentMs });

test('what is answered, or of a one-way director got by a server, is not lost', () => {
  const ledger = new Ledger();
  send(ledger, 1, 0);
  send(ledger, 2, 1, 'one-way');
  send(ledger, 3, 2);
  send(ledger, 4, 3, 'one-way');
  ledger.got(1, 's1', 1);
  ledger.answered(1, 's1', 2);
  ledger.got(2, 's2', 3);
  ledger.got(3, 's3', 4);
  assert.deepEqual(ledger.lost().map(({ id, gotBy }) => [id, gotBy]), [[3, 's3'], [4, null]]);
});

test('a server may speak of a datagram before its client does', () => {
  const ledger = new Ledger();
  ledger.got(1, 's1', 5);
  send(ledger, 1, 4, 'one-way');
  assert.deepEqual([ledger.lost(), ledger.totals.got], [[], 1]);
});

test('an answer that comes after all clears a datagram that was overdue; a second one is counted', () => {
  const ledger = new Ledger();
  send(ledger, 1, 0);
  ledger.turn(LATE_MS + 1);
  assert.equal(ledger.lost().length, 1);
  ledger.answered(1, 's1', LATE_MS + 5);
  assert.deepEqual([ledger.lost(), ledger.totals.twice], [[], 0]);
  ledger.answered(1, 's1', LATE_MS + 6);
  assert.equal(ledger.totals.twice, 1);
});

test('a datagram that two servers got, or one twice, is counted', () => {
  const ledger = new Ledger();
  send(ledger, 1, 0);
  send(ledger, 2, 0, 'one-way');
  for (const id of [1, 2]) ledger.got(id, 's1', 1);
  for (const id of [1, 2]) ledger.got(id, 's2', 2);
  assert.equal(ledger.totals.twice, 2);
});

test('a fixed client answered by one server before and after can have lost its datagram at that server alone', () => {
  const ledger = new Ledger();
  for (const [id, server] of [[1, 's1'], [2, null], [3, 's1'], [4, null], [5, 's2'], [6, null]] as const) {
    send(ledger, id, id * 10);
    if (server !== null) ledger.answered(id, server, id * 10 + 1);
  }
  send(ledger, 7, 25, 'two-way', 'new 1');
  assert.deepEqual(ledger.lost().map(({ id, candidates }) => [id, candidates]), [[2, ['s1']], [7, null], [4, null], [6, null]]);
});

test('round trips are the median of the seconds around a time', () => {
  const ledger = new Ledger();
  for (const [id, ms] of [[1, 1], [2, 2], [3, 900]] as const) {
    send(ledger, id, 5000 + id, 'request-reply');
    ledger.answered(id, 's1', 5000 + id + ms);
  }
  assert.deepEqual([ledger.roundTripMs(5500), ledger.roundTripMs(60_000)], [2, 0]);
});
