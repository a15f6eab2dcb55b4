import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from './duration.ts';
import { clean, json, short, table } from './text.ts';

const PLAIN = { colour: false, nowMs: 0 };

test('a table lines its columns up, numbers to the right, and ends lines without spaces', () => {
  assert.equal(table(['NAME', 'N', 'NOTE'], [['a', 5, ''], ['long name', 1000, 'x']], PLAIN), 'NAME          N  NOTE\na             5\nlong name  1000  x\n');
});

test('colours do not move columns', () => {
  const rows = [[{ text: 'up', colour: 'green' as const }, 'b'], ['down', 'c']];
  assert.equal(table(['S', 'T'], rows, { colour: true, nowMs: 0 }).replace(/\u001b\[\d+m/g, ''), table(['S', 'T'], rows, PLAIN));
});

test('no text of any kind reaches the terminal with a control character in it', () => {
  const anything = fc.string({ unit: 'binary', maxLength: 40 });
  fc.assert(fc.property(anything, (text) => {
    assert.ok(!/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(clean(text)));
    assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(json(text)));
    assert.equal(JSON.parse(json(text)), text);
  }), { seed: 11 });
});

test('durations are read as written, and nothing else is', () => {
  const rows: readonly (readonly [string, number | null])[] = [
    ['90', 90_000], ['60s', 60_000], ['1m30s', 90_000], ['500ms', 500], ['2h', 7_200_000], ['30d', 2_592_000_000],
    ['', null], ['s', null], ['-1s', null], ['1.5s', null], ['1 s', null], ['1w', null], ['1e3', null],
  ];
  for (const [text, ms] of rows) assert.equal(parseDuration(text), ms, text);
});

test('durations are shown in at most two units, and read back not later than they were', () => {
  assert.deepEqual([0, 999, 1000, 59_999, 60_000, 3_661_000, 90_000_000, -5].map(formatDuration), ['0ms', '999ms', '1s', '59s', '1m', '1h 1m', '1d 1h', '0ms']);
  fc.assert(fc.property(fc.nat(10_000_000_000), (ms) => {
    const again = parseDuration(formatDuration(ms).replaceAll(' ', ''));
    assert.ok(again !== null && again <= ms);
  }), { seed: 3 });
});

test('counts are kept short', () => {
  assert.deepEqual([0, 999, 9999, 10_000, 1_000_000, 12_345_678, 2_000_000_000].map(short), ['0', '999', '9999', '10.0k', '1.0M', '12.3M', '2.0G']);
});
