import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAgenda } from './agenda.ts';
import { createFakeClock } from './fake-clock.ts';

test('entries come in order of their times, moved and deleted ones included, under one timer', async () => {
  const commands = fc.array(fc.tuple(fc.nat(30), fc.option(fc.integer({ min: 1, max: 1000 }), { freq: 4 })), { maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(commands, async (list) => {
      const clock = createFakeClock();
      const seen: [number, number][] = [];
      const agenda = createAgenda<number>({ ...clock, onDue: (key, dueMs) => seen.push([key, dueMs]) });
      const model = new Map<number, number>();
      for (const [key, due] of list) {
        if (due === null) {
          agenda.delete(key);
          model.delete(key);
        } else {
          agenda.set(key, due);
          model.set(key, due);
        }
        assert.equal(agenda.size, model.size);
        assert.ok(clock.pending() <= 1);
      }
      await clock.advance(2000);
      assert.deepEqual(seen.map(([, due]) => due), [...model.values()].sort((a, b) => a - b));
      assert.deepEqual(new Map(seen), model);
      assert.equal(clock.pending(), 0);
    }),
    { seed: 20261122, numRuns: 200 },
  );
});

test('an entry set from inside its own call is due again', async () => {
  const clock = createFakeClock();
  const times: number[] = [];
  const agenda = createAgenda<string>({
    ...clock,
    onDue(key) {
      times.push(clock.nowMs());
      if (times.length < 4) agenda.set(key, clock.nowMs() + 10);
    },
  });
  agenda.set('a', 10);
  await clock.advance(100);
  assert.deepEqual(times, [10, 20, 30, 40]);
});

test('many entries due at once leave turns to the event loop and all come', async () => {
  const clock = createFakeClock();
  let seen = 0;
  const agenda = createAgenda<number>({ ...clock, onDue: () => seen++ });
  for (let i = 0; i < 1000; i++) agenda.set(i, 5);
  await clock.advance(5);
  assert.equal(seen, 64);
  await clock.advance(100);
  assert.equal(seen, 1000);
});
