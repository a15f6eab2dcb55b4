/**
 * A million frames against the model, by seeds: valid, damaged and senseless ones, with applies, sweeps and time in between. Verdict and frame are
 * compared each time, all counters every so often. It ends after WEIR_MODEL_SECONDS (60) whatever it got to, and says how many that were;
 * WEIR_MODEL_SECONDS=0 takes the time it takes. WEIR_MODEL_SEED starts elsewhere.
 */
import { after, test } from 'node:test';
import { Bed } from '../packets/bed.ts';
import { run } from './run.ts';
import { SEEDS } from './seeds.ts';

const FRAMES = Number(process.env['WEIR_MODEL_FRAMES'] ?? 1_000_000);
const FRAMES_A_SEED = 20_000;
const SECONDS = Number(process.env['WEIR_MODEL_SECONDS'] ?? 60);
const FIRST_SEED = Number(process.env['WEIR_MODEL_SEED'] ?? 1);
const EVERY = 2_000;

const bed = new Bed();
after(() => bed.close());

for (const { seed, found } of SEEDS) test(`seed ${seed}: ${found}`, () => void run(bed, { seed, frames: FRAMES_A_SEED, every: 100 }));

test('random and damaged frames: the program does what the model does', (t) => {
  const startedAt = performance.now();
  const verdicts: Record<string, number> = {};
  let [frames, seed] = [0, FIRST_SEED];
  while (frames < FRAMES && (SECONDS === 0 || performance.now() - startedAt < SECONDS * 1000)) {
    const ran = run(bed, { seed, frames: Math.min(FRAMES_A_SEED, FRAMES - frames), every: EVERY });
    frames += ran.frames;
    for (const [verdict, count] of Object.entries(ran.verdicts)) verdicts[verdict] = (verdicts[verdict] ?? 0) + count;
    seed++;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  t.diagnostic(`${frames} frames of seeds ${FIRST_SEED} to ${seed - 1} in ${seconds.toFixed(1)} s: ${Object.entries(verdicts).map(([verdict, count]) => `${count} ${verdict}`).join(', ')}`);
});
