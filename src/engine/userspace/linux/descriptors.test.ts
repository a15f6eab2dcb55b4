import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Descriptors, descriptorTable } from './descriptors.ts';

test('what one worker has is closed for it, and nothing that was closed before, is another\'s, or failed to open', () => {
  const table = descriptorTable(64);
  const [first, second] = [new Descriptors(table, 0), new Descriptors(table, 1)];
  assert.deepEqual([20, 21, 22, -1].map((fd) => first.take(fd)), [20, 21, 22, -1]);
  second.take(30);
  first.release(21);
  // The number is another's now.
  second.take(21);
  first.take(1000);
  const closed: number[] = [];
  assert.equal(first.closeAll((fd) => closed.push(fd)), 2);
  assert.deepEqual(closed, [20, 22]);
  assert.equal(first.closeAll((fd) => closed.push(fd)), 0);
  assert.equal(second.closeAll(() => {}), 2);
});
