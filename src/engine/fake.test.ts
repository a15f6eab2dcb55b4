import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { desiredArbitrary } from '../plan/arbitrary.ts';
import { diff } from '../plan/diff.ts';
import { EngineError, type EngineEvent } from './engine.ts';
import { createFakeEngine } from './fake.ts';

const SEED = { seed: 7, numRuns: 100 };

test('after apply, observe gives what was asked for', async () => {
  await fc.assert(
    fc.asyncProperty(desiredArbitrary, desiredArbitrary, async (one, two) => {
      const engine = createFakeEngine();
      for (const next of [one, two]) {
        await engine.apply(diff(next, await engine.observe()));
        assert.deepEqual(await engine.observe(), next);
      }
    }),
    SEED,
  );
});

test('an apply that fails at any step changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(desiredArbitrary, desiredArbitrary, fc.nat(5), async (one, two, step) => {
      const engine = createFakeEngine();
      await engine.apply(diff(one, await engine.observe()));
      engine.faults.applyAt = { step };
      await assert.rejects(engine.apply(diff(two, one)), (e: unknown) => e instanceof EngineError && e.landed.length === 0 && e.cure !== '');
      assert.deepEqual(await engine.observe(), one);
    }),
    SEED,
  );
});

test('an apply that cannot be taken back says which steps landed', async () => {
  const engine = createFakeEngine();
  const [target] = fc.sample(desiredArbitrary.filter((d) => d.directors.length > 2), { seed: 3, numRuns: 1 });
  assert.ok(target);
  engine.faults.applyAt = { step: 2, landed: true };
  await assert.rejects(engine.apply(diff(target, { directors: [] })), (e: unknown) => e instanceof EngineError && e.landed.length === 2);
  assert.deepEqual((await engine.observe()).directors, target.directors.slice(0, 2));
});

test('calls that overlap or come after close are refused: the daemon must serialise them', async () => {
  const engine = createFakeEngine();
  const first = engine.observe();
  await assert.rejects(engine.read(), /serialise/);
  await first;
  await engine.close('leave');
  await assert.rejects(engine.observe(), /after close/);
});

test('a plan that does not lead where it says is refused', async () => {
  const engine = createFakeEngine();
  const [target] = fc.sample(desiredArbitrary.filter((d) => d.directors.length > 0), { seed: 3, numRuns: 1 });
  assert.ok(target);
  await assert.rejects(engine.apply({ steps: [], next: target }), /do not lead/);
});

test('evidence reaches whoever listens', async () => {
  const events: EngineEvent[] = [];
  const engine = createFakeEngine({ onEvent: (e) => events.push(e), now: () => 42 });
  const [target] = fc.sample(desiredArbitrary.filter((d) => (d.directors[0]?.servers.length ?? 0) > 0), { seed: 3, numRuns: 1 });
  const director = target?.directors[0];
  assert.ok(target && director);
  await engine.apply(diff(target, { directors: [] }));
  engine.refuse(director.name, director.servers[0]?.name ?? '');
  assert.equal(events[0]?.kind, 'refused');
});
