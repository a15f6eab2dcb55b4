import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../clock/fake.ts';
import { createRunner } from './runner.ts';

test('many triggers at once are one pass, and passes keep their distance', async () => {
  const clock = createFakeClock(0);
  const at: number[] = [];
  const runner = createRunner({ clock, pass: async () => void at.push(clock.now()) });
  runner.start();
  for (let i = 0; i < 100; i++) runner.trigger();
  await clock.advance(0);
  for (let i = 0; i < 100; i++) runner.trigger();
  await clock.advance(19);
  assert.deepEqual(at, [0]);
  await clock.advance(1);
  assert.deepEqual(at, [0, 20]);
  await runner.stop();
});

test('a trigger during a pass is not lost', async () => {
  const clock = createFakeClock(0);
  let passes = 0;
  let release = (): void => undefined;
  const runner = createRunner({
    clock,
    pass: () => {
      passes++;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    },
  });
  runner.start();
  runner.trigger();
  await clock.advance(0);
  runner.trigger();
  release();
  await clock.advance(20);
  assert.equal(passes, 2);
  release();
  await runner.stop();
});

test('a failing pass comes again, later each time, and triggers do not hasten it', async () => {
  const clock = createFakeClock(0);
  const at: number[] = [];
  const outcomes: number[] = [];
  let works = false;
  const runner = createRunner({
    clock,
    pass: async () => {
      at.push(clock.now());
      if (!works) throw new Error('EADDRINUSE');
    },
    onOutcome: ({ failures }) => outcomes.push(failures),
  });
  runner.start();
  runner.trigger();
  for (let i = 0; i < 2000; i += 10) {
    await clock.advance(10);
    runner.trigger();
  }
  assert.deepEqual(at, [0, 250, 750, 1750]);
  assert.equal(runner.state().failures, 4);
  assert.equal(runner.state().lastError?.message, 'EADDRINUSE');
  works = true;
  await clock.advance(2000);
  assert.deepEqual(outcomes, [1, 2, 3, 4, 0]);
  assert.equal(runner.state().lastError, null);
  await runner.stop();
});

test('without a trigger there is a pass a minute, and none after stop', async () => {
  const clock = createFakeClock(0);
  let passes = 0;
  const runner = createRunner({ clock, pass: async () => void passes++ });
  runner.start();
  await clock.advance(180_000);
  assert.equal(passes, 3);
  await runner.stop();
  runner.trigger();
  await clock.advance(180_000);
  assert.equal(passes, 3);
  assert.equal(clock.pending(), 0);
});

test('a clock that is set back or on delays no pass and hastens none', async () => {
  for (const jumpMs of [-3_600_000, 3_600_000, -10 * 365 * 86_400_000]) {
    const clock = createFakeClock(0);
    const at: number[] = [];
    let works = true;
    const runner = createRunner({
      clock,
      pass: async () => {
        at.push(clock.steady());
        if (!works) throw new Error('refused');
      },
    });
    runner.start();
    runner.trigger();
    await clock.advance(0);
    clock.jump(jumpMs);
    runner.trigger();
    await clock.advance(20);
    assert.deepEqual(at, [0, 20], `a trigger after a jump of ${jumpMs} ms`);
    works = false;
    runner.trigger();
    await clock.advance(20);
    clock.jump(jumpMs);
    await clock.advance(249);
    assert.equal(at.length, 3);
    await clock.advance(1);
    assert.equal(at.length, 4, 'the retry comes when it was due');
    await runner.stop();
  }
});
