import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { editDistance, nearest } from './nearest.ts';

describe('nearest', () => {
  it('counts insertions, deletions, replacements and swaps', () => {
    assert.deepEqual([editDistance('', 'abc'), editDistance('abc', 'abc'), editDistance('balence', 'balance'), editDistance('wieght', 'weight'), editDistance('ab', 'b')], [3, 0, 1, 1, 1]);
  });
  it('finds slips, other case and beginnings', () => {
    assert.equal(nearest('balence', ['balance', 'mode']), 'balance');
    assert.equal(nearest('MODE', ['balance', 'mode']), 'mode');
    assert.equal(nearest('least', ['leastconn', 'source']), 'leastconn');
  });
  it('suggests nothing far away, nothing for a single letter, nothing for a very long word', () => {
    assert.equal(nearest('foo', ['balance', 'mode']), undefined);
    assert.equal(nearest('x', ['in']), undefined);
    assert.equal(nearest('b'.repeat(1000), ['balance']), undefined);
  });
});
