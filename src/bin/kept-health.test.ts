import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock, type FakeClock } from '../clock/fake.ts';
import { createFakeHealth } from '../daemon/harness.ts';
import type { FakeHealth } from '../daemon/harness.ts';
import type { Target } from '../health/health.ts';
import { createMemoryFiles, type MemoryFiles } from '../store/memory.ts';
import { keepHealth, readKept, type KeepOptions } from './kept-health.ts';

interface Bench {
  readonly clock: FakeClock;
  readonly files: MemoryFiles;
  readonly health: FakeHealth;
  readonly options: KeepOptions;
  readonly lines: string[];
}

function bench(): Bench {
  const clock = createFakeClock();
  const files = createMemoryFiles();
  const health = createFakeHealth(clock);
  health.setTargets(['one', 'two', 'three'].map((server) => ({ key: `web|${server}`, director: 'web', server }) as Target));
  health.set('web', 'three', 'up');
  const lines: string[] = [];
  return { clock, files, health, lines, options: { path: '/state/health.json', files, clock, version: '1.0.0', log: (line) => lines.push(line) } };
}

const keys = async (options: KeepOptions): Promise<readonly string[]> => (await readKept(options)).map(({ key }) => key);

test('who is down is kept until nobody is', async () => {
  const { clock, files, health, options, lines } = bench();
  const kept = keepHealth(health, options);
  await clock.advance(1_000);
  assert.deepEqual(files.paths(), [], 'nobody is down, so there is nothing to keep');
  health.set('web', 'one', 'down');
  health.set('web', 'two', 'up');
  await clock.advance(1_000);
  assert.deepEqual(await keys(options), ['web|one']);
  health.set('web', 'one', 'up');
  await clock.advance(1_000);
  assert.deepEqual([files.paths(), await keys(options), lines], [[], [], []]);
  await kept.stop();
});

test('it is believed for a minute after its last word, of the same version alone', async () => {
  const { clock, health, options } = bench();
  const kept = keepHealth(health, options);
  health.set('web', 'one', 'down');
  await clock.advance(600_000);
  assert.deepEqual(await keys(options), ['web|one'], 'said again as long as somebody looks');
  await kept.stop();
  assert.deepEqual(await keys({ ...options, version: '1.0.1' }), []);
  await clock.advance(35_000);
  assert.deepEqual(await keys(options), ['web|one']);
  await clock.advance(30_000);
  assert.deepEqual(await keys(options), []);
  clock.jump(-3_600_000);
  assert.deepEqual(await keys(options), [], 'a clock set back says nothing');
});

test('a rack that goes down is one write, and nothing is written after the end', async () => {
  const { clock, files, health, options } = bench();
  const kept = keepHealth(health, options);
  await clock.advance(1_000);
  const before = files.operations.length;
  health.set('web', 'one', 'down');
  health.set('web', 'two', 'down');
  await clock.advance(1_000);
  assert.deepEqual(await keys(options), ['web|one', 'web|two']);
  assert.deepEqual(files.operations.slice(before), ['write /state/health.json.new', 'rename /state/health.json.new /state/health.json']);
  await kept.stop();
  health.set('web', 'one', 'up');
  await clock.advance(60_000);
  assert.equal(files.operations.length, before + 2);
  assert.equal(clock.pending(), 0);
});

test('servers that flap without a pause are written all the same, twice a second at most', async () => {
  const { clock, files, health, options } = bench();
  const kept = keepHealth(health, options);
  health.set('web', 'one', 'down');
  for (let ms = 0; ms < 10_000; ms += 50) {
    health.set('web', 'two', ms % 100 === 0 ? 'down' : 'up');
    await clock.advance(50);
  }
  const writes = files.operations.filter((operation) => operation.startsWith('write')).length;
  assert.ok(writes >= 15 && writes <= 20, `${writes} writes in 10 s`);
  assert.ok((await keys(options)).includes('web|one'));
  await kept.stop();
});

test('where all are down, none is kept: it may be this host that reaches nobody', async () => {
  const { clock, health, options } = bench();
  const kept = keepHealth(health, options);
  health.set('web', 'one', 'down');
  await clock.advance(1_000);
  assert.deepEqual(await keys(options), ['web|one']);
  health.set('web', 'two', 'down');
  health.set('web', 'three', 'down');
  await clock.advance(1_000);
  assert.deepEqual(await keys(options), []);
  health.set('web', 'three', 'up');
  await clock.advance(1_000);
  assert.deepEqual(await keys(options), ['web|one', 'web|two']);
  await kept.stop();
});

test('a disk that is full is said once, and written to again when it is not', async () => {
  const { clock, files, health, options, lines } = bench();
  const kept = keepHealth(health, options);
  await clock.advance(1_000);
  files.fail = (operation) => operation.startsWith('write');
  health.set('web', 'one', 'down');
  await clock.advance(120_000);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /who is down is not kept for the next start: /);
  files.fail = null;
  await clock.advance(20_000);
  assert.deepEqual(await keys(options), ['web|one']);
  await kept.stop();
});

test('a file that is damaged is named and not believed', async () => {
  const { clock, files, health, options, lines } = bench();
  const kept = keepHealth(health, options);
  health.set('web', 'one', 'down');
  await clock.advance(1_000);
  await kept.stop();
  files.put('/state/health.json', files.text('/state/health.json').replace('web|one', 'web|two'));
  assert.deepEqual(await keys(options), []);
  assert.match(lines[0] ?? '', /who was down before is not known: .*checksum/);
});
