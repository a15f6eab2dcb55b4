import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lines } from './lines.ts';

test('a line is there once its end has come, in whatever pieces', () => {
  const lines = new Lines();
  lines.add('warming up\nrea');
  assert.equal(lines.take('ready'), false);
  lines.add('dy\n');
  assert.equal(lines.take('ready'), true);
  assert.equal(lines.take('ready'), false, 'taken once');
});

test('an answer is the line that comes after the question', async () => {
  const lines = new Lines();
  lines.add('said before\n');
  const answer = lines.next(1_000);
  lines.add('4');
  lines.add('2\nand more\n');
  assert.equal(await answer, '42');
});

test('no answer in time is undefined', async () => {
  assert.equal(await new Lines().next(1), undefined);
});

test('a talkative process does not fill the memory: the last 16 lines are kept', () => {
  const lines = new Lines();
  lines.add('ready\n');
  lines.add('x\n'.repeat(16));
  assert.equal(lines.take('ready'), false);
});
