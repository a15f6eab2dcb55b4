import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changedLines, diffLines, merge3 } from './merge.ts';

const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 }).map((lines) => lines.join('\n'));

test('a diff holds both texts, and says nothing of equal ones', () => {
  fc.assert(fc.property(text, text, (before, after) => {
    const changes = diffLines(before, after);
    assert.equal(changes.filter(({ kind }) => kind !== '+').map((change) => change.text).join('\n'), before);
    assert.equal(changes.filter(({ kind }) => kind !== '-').map((change) => change.text).join('\n'), after);
    if (before === after) assert.ok(changes.every(({ kind }) => kind === ' '));
  }), { seed: 4, numRuns: 500 });
  assert.deepEqual(diffLines('a\nb\nc', 'a\nx\nc').map(({ kind }) => kind).join(''), ' -+ ');
});

test('what is shown of a difference is the lines that changed and their neighbours', () => {
  assert.equal(changedLines('a\nb\nc\nd\ne', 'a\nb\nX\nd\ne'), ' b\n-c\n+X\n d');
  assert.equal(changedLines('a\nb', 'a\nb'), '');
});

test('changes of two people in different places are merged', () => {
  assert.equal(merge3('a\nb\nc\nd\ne', 'A\nb\nc\nd\ne', 'a\nb\nc\nd\nE'), 'A\nb\nc\nd\nE');
  assert.equal(merge3('a\nb\nc\nd', 'a\nb\nc\nd\nmine', 'new\na\nb\nc\nd'), 'new\na\nb\nc\nd\nmine');
});

test('the same line changed differently is no merge; the same change is one', () => {
  assert.equal(merge3('a\nb\nc', 'a\nx\nc', 'a\ny\nc'), null);
  assert.equal(merge3('a\nb\nc', 'a\nx\nc', 'a\nx\nc'), 'a\nx\nc');
});

test('with one side unchanged a merge is the other side', () => {
  fc.assert(fc.property(text, text, (base, changed) => {
    assert.equal(merge3(base, changed, base), changed);
    assert.equal(merge3(base, base, changed), changed);
  }), { seed: 4, numRuns: 200 });
});
