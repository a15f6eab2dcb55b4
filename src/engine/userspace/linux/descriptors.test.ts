import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Descriptors, descriptorTable } from './descriptors.ts';

test('what one worker has is closed for it but its listeners, and nothing that was closed before, is another\'s, or failed to open', () => {
  const table = descriptorTable(64);
  const [first, second] = [new Descriptors(table, 0), new Descriptors(table, 1)];
  assert.deepEqual([20, 21, 22, -1].map((fd) => first.take(fd, 'other')), [20, 21, 22, -1]);
  first.take(23, 'listener');
  first.take(24, 'listener');
  second.take(30, 'listener');
  first.release(21);
  first.release(24);
  // The number is another's now.
  second.take(21, 'other');
  first.take(1000, 'other');
  const closed: number[] = [];
  assert.deepEqual([first.inherit((fd) => closed.push(fd)), closed], [[23], [20, 22]]);
  assert.deepEqual([first.inherit((fd) => closed.push(fd)), closed], [[], [20, 22]]);
  assert.deepEqual([second.inherit((fd) => closed.push(fd)), closed], [[30], [20, 22, 21]]);
});
