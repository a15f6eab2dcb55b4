import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bitRateText, bytesText, countText, msText, secondsText, shareText, spanText, sparkPoints } from './numbers.ts';

test('counts have three digits that count', () => {
  assert.deepEqual([0, 0.25, 7, 42.4, 999, 999.6, 1000, 12_345, 999_900, 1_234_567].map(countText), ['0', '0.3', '7', '42', '999', '1.00 k', '1.00 k', '12.3 k', '1.00 M', '1.23 M']);
  assert.deepEqual([bitRateText(0), bitRateText(1500), bytesText(2_000_000)], ['0 bit/s', '12.0 kbit/s', '2.00 MB']);
});

test('times are as short as they can be', () => {
  assert.deepEqual([-5, 4999, 60_000, 3_600_000, 3_900_000, 86_400_000, 100_000_000].map(spanText), ['0 s', '4 s', '1 min', '1 h', '1 h 5 min', '1 d', '1 d 3 h']);
  assert.deepEqual([59_999, 119_000, 600_000].map(secondsText), ['59 s', '119 s', '10 min']);
  assert.deepEqual([null, 0.0312, 3.4, 48.47, 480.4, 1200, 34_000].map(msText), ['–', '0.03 ms', '3.40 ms', '48.5 ms', '480 ms', '1.20 s', '34.0 s']);
  assert.deepEqual([shareText(1, 3), shareText(0, 0)], ['33.3 %', '–']);
});

test('a spark line ends at the right edge and stays in its box', () => {
  const box = { width: 10, height: 10, slots: 3 };
  assert.equal(sparkPoints([], box), '');
  assert.equal(sparkPoints([5], box), '10,1');
  assert.equal(sparkPoints([0, 2, 4], box), '0,9 5,5 10,1');
  assert.equal(sparkPoints([9, 0, 2, 4], box), '0,9 5,5 10,1');
});
