import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rateTable, type RateResult } from './rates.ts';
import { bytesText, microsText, percentText, rateText, ratioText, renderTable } from './table.ts';

test('columns are as wide as their widest cell, the first to the left, the others to the right', () => {
  assert.equal(
    renderTable(['name', 'rate'], [['a', '1'], ['longer', '12.5 k']]),
    'name      rate\n------  ------\na            1\nlonger  12.5 k\n',
  );
});

test('a row that is too short is filled up', () => {
  assert.equal(renderTable(['a', 'b'], [['x']]), 'a  b\n-  -\nx\n');
});

test('numbers read like people say them', () => {
  assert.deepEqual([rateText(830), rateText(46_240), rateText(1_250_000)], ['830', '46.2 k', '1.25 M']);
  assert.deepEqual([ratioText(110, 50), ratioText(110, 0), ratioText(110, undefined), ratioText(0, 50)], ['2.20 x', '-', '-', '-']);
  assert.equal(percentText(0.00421), '0.42 %');
  assert.deepEqual([microsText(38.4), microsText(12_400), microsText(Number.NaN), microsText(-2)], ['38 µs', '12.4 ms', '-', '-2 µs']);
  assert.deepEqual([bytesText(512), bytesText(1_400), bytesText(23e6)], ['512 B', '1.4 kB', '23.0 MB']);
});

test('ratios are to the peers of the same clients and servers', () => {
  const cell = (subject: RateResult['subject'], servers: number, rate: number): RateResult => ({
    subject,
    servers,
    rate,
    clients: 1000,
    loss: 0,
    trials: 1,
    limit: 'subject',
    misdelivered: 0,
    frameBytes: 64,
    rounds: [rate],
    half: { rate: rate / 2, p50Us: 40, p99Us: 2_000 },
  });
  const lines = rateTable([cell('nginx', 3, 50_000), cell('weir', 3, 150_000), cell('nginx', 16, 40_000), cell('weir', 16, 80_000)]).split('\n');
  assert.match(lines[3] ?? '', /^weir +1000 +3 +150\.0 k +3\.00 x +- +- +40 µs +2\.0 ms +0$/);
  assert.match(lines[5] ?? '', /^weir +1000 +16 +80\.0 k +2\.00 x/);
});

test('a subject that never held says so', () => {
  const none: RateResult = { subject: 'pen', clients: 10, servers: 1, rate: 0, loss: 0, trials: 9, limit: 'subject', half: null, misdelivered: 0, frameBytes: 64, rounds: [0] };
  assert.match(rateTable([none]), /none held/);
});
