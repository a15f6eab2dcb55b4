import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { realProcesses } from './lock.ts';

test('this process lives, and always the same life', () => {
  const life = realProcesses.lifeOf(process.pid);
  assert.ok(life !== null && life.length > 10);
  assert.equal(realProcesses.lifeOf(process.pid), life);
});

test('a process that has ended does not live, also while nobody has waited for it', { skip: process.platform === 'linux' ? false : 'needs Linux' }, async () => {
  // What the shell becomes never waits for the child that the shell had.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
    const child = Number(line);
    assert.notEqual(realProcesses.lifeOf(child), null);
    process.kill(child, 'SIGKILL');
    const end = performance.now() + 10_000;
    while (realProcesses.lifeOf(child) !== null) {
      assert.ok(performance.now() < end, 'it counts as alive ten seconds after its end');
      await new Promise((resolve) => setImmediate(resolve));
    }
    // It is still there to be waited for.
    process.kill(child, 0);
  } finally {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  }
});
