import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SubjectName } from './args.ts';
import { XDP_BARS, barsText, judgeBars as judge } from './bars.ts';
import type { RateResult } from './rates.ts';

const judgeBars = (results: readonly RateResult[]): ReturnType<typeof judge> => judge(results, XDP_BARS);

function cell(subject: SubjectName, clients: number, rate: number, more: Partial<RateResult> = {}): RateResult {
  return { subject, clients, rate, servers: 16, frameBytes: 64, loss: 0, trials: 1, limit: 'subject', misdelivered: 0, half: null, rounds: [rate], ...more };
}

test('a bar is met at its ratio, not met below it, and not measured without both rates', () => {
  const results = [cell('limit', 1000, 1_000_000), cell('nftables', 1000, 260_000), cell('xdp', 1000, 750_000), cell('xdp', 100_000, 600_000)];
  const judged = judgeBars(results);
  assert.deepEqual(judged.map((one) => [one.of, one.clients, one.ratio?.toFixed(2) ?? null, one.met]), [
    ['limit', 1000, '0.75', true],
    ['nftables', 1000, '2.88', false],
    ['nginx-request', 1000, null, false],
    ['nginx', 1000, null, false],
    ['limit', 100_000, null, false],
  ]);
  assert.equal(
    barsText(judged),
    [
      'met           1000 clients: xdp at least 0.75 x limit: it is 0.75, the aim is 0.9',
      'not met       1000 clients: xdp at least 3 x nftables: it is 2.88',
      'not measured  1000 clients: xdp at least 20 x nginx-request',
      'not measured  1000 clients: xdp at least 20 x nginx',
      'not measured  100000 clients: xdp at least 0.65 x limit',
      '',
    ].join('\n'),
  );
});

test('the ratio of each round tells how far the ratio of the best can be believed; rounds in which one of them held nothing do not', () => {
  const [limit] = judgeBars([cell('limit', 1000, 1_000_000, { rounds: [800_000, 1_000_000, 900_000] }), cell('xdp', 1000, 800_000, { rounds: [720_000, 800_000, 0] })]);
  assert.deepEqual(limit?.rounds, [0.9, 0.8]);
  assert.match(barsText(limit === undefined ? [] : [limit]), /it is 0\.80 \(round by round 0\.80 \.\. 0\.90\), the aim is 0\.9/);
});

test('of several numbers of servers the worst ratio counts, and each is to the peer with as many', () => {
  const [limit] = judgeBars([
    cell('limit', 1000, 1_000_000),
    cell('xdp', 1000, 900_000),
    cell('limit', 1000, 500_000, { servers: 3 }),
    cell('xdp', 1000, 350_000, { servers: 3 }),
  ]);
  assert.deepEqual([limit?.ratio, limit?.met], [0.7, false]);
});

test('long frames and rates that never held are no figures for a bar', () => {
  const [limit] = judgeBars([cell('limit', 1000, 1_000_000), cell('xdp', 1000, 900_000, { frameBytes: 1514 }), cell('xdp', 1000, 0)]);
  assert.equal(limit?.ratio, null);
});
