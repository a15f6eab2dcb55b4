import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError, runCommand } from './command.ts';

const failure = async (argv: readonly string[], options?: Parameters<typeof runCommand>[1]): Promise<CommandError> => {
  try {
    await runCommand(argv, options);
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
  return assert.fail('expected a failure');
};

test('a program gets its input and its words as they are, without a shell', async () => {
  assert.equal((await runCommand(['cat'], { input: 'a\nb' })).stdout, 'a\nb');
  assert.equal((await runCommand(['printf', '%s', '$HOME; echo x'])).stdout, '$HOME; echo x');
});

test('a failure carries argv, exit code and what was said', async () => {
  const error = await failure(['sh', '-c', 'echo bad >&2; exit 3']);
  assert.deepEqual([error.kind, error.exitCode, error.stderr], ['failed', 3, 'bad\n']);
  assert.match(error.message, /sh -c .*: exit code 3: bad/);
});

test('an absent program, a slow one and a talkative one are told apart', async () => {
  assert.equal((await failure(['weir-no-such-program'])).kind, 'absent');
  assert.equal((await failure(['sleep', '30'], { timeoutMs: 50 })).kind, 'timeout');
  assert.equal((await failure(['cat'], { input: 'x'.repeat(10_000), maxBytes: 100 })).kind, 'output');
});

test('a program that does not read its input is no failure', async () => {
  assert.equal((await runCommand(['true'], { input: 'x'.repeat(1_000_000) })).stdout, '');
});
