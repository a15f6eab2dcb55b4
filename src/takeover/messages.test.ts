import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TakeoverRefused, messageOf } from './messages.ts';

const refused = (message: RegExp) => (e: unknown): boolean => e instanceof TakeoverRefused && message.test(e.message) && e.cure !== '';

test('a step that is due is taken, another one and what is no step are refused by name', () => {
  assert.deepEqual(messageOf('{"step":"frozen","sockets":3}', 'frozen'), { step: 'frozen', sockets: 3 });
  assert.throws(() => messageOf('{"step":"done"}', 'frozen'), refused(/expected the step 'frozen', found 'done'/));
  assert.throws(() => messageOf('GET / HTTP/1.1', 'hello'), refused(/expected the step 'hello', found "GET/));
  assert.throws(() => messageOf('null', 'hello'), refused(/expected the step 'hello'/));
});

test('a refusal of the other side comes through with its cure, whatever was due', () => {
  assert.throws(() => messageOf('{"step":"refused","message":"not now","cure":"later"}', 'ready'), (e) => refused(/^not now$/)(e) && e instanceof TakeoverRefused && e.cure === 'later');
});
