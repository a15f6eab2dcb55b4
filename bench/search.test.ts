import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchRate, type SearchOptions, type Trial } from './search.ts';

const OPTIONS: SearchOptions = { start: 16_000, step: 1.5, resolution: 0.02, tries: 3, maxLoss: 0.01, lowest: 500, highest: 3_000_000 };

/** A subject that carries `capacity` and loses what is beyond it. */
function subject(capacity: number) {
  const rates: number[] = [];
  const trial = async (rate: number): Promise<Trial> => {
    rates.push(rate);
    return { offered: rate, loss: Math.max(0, 1 - capacity / rate) };
  };
  return { rates, trial };
}

test('finds the capacity of a quiet subject within the resolution, above and below the start', async () => {
  for (const capacity of [900, 9_000, 16_000, 46_000, 990_000]) {
    const { trial } = subject(capacity);
    const { rate, limit, loss } = await searchRate(trial, OPTIONS);
    assert.ok(rate >= capacity / 1.02 && rate <= capacity / 0.99, `capacity ${capacity}, found ${rate}`);
    assert.equal(limit, 'subject');
    assert.ok(loss < 0.01);
  }
});

test('a rate holds when one try of three does, and is given up after three that lose', async () => {
  const seen = new Map<number, number>();
  const flaky = async (rate: number): Promise<Trial> => {
    const nth = (seen.get(rate) ?? 0) + 1;
    seen.set(rate, nth);
    return { offered: rate, loss: rate <= 40_000 && nth === 3 ? 0 : 0.5 };
  };
  const { rate } = await searchRate(flaky, OPTIONS);
  assert.ok(rate > 40_000 / 1.02 && rate <= 40_000);
  assert.deepEqual(new Set(seen.values()), new Set([3]));
});

test('a subject that loses at every rate gives zero, and the search ends at the lowest rate', async () => {
  const { rates, trial } = subject(1);
  const found = await searchRate(trial, OPTIONS);
  assert.equal(found.rate, 0);
  assert.ok(Math.min(...rates) >= OPTIONS.lowest);
});

test('a generator that cannot keep up is named as the limit and its short tries count for nothing', async () => {
  const capped = async (rate: number): Promise<Trial> => ({ offered: Math.min(rate, 100_000), loss: 0 });
  const { rate, limit } = await searchRate(capped, OPTIONS);
  assert.equal(limit, 'generator');
  assert.ok(rate <= 100_000 && rate > 95_000);
});

test('what was really sent is the rate: a generator that leaves out 5 % makes figures lower, never higher', async () => {
  const choppy = async (rate: number): Promise<Trial> => ({ offered: rate * 0.95, loss: Math.max(0, 1 - 50_000 / rate) });
  const { rate, limit } = await searchRate(choppy, OPTIONS);
  assert.ok(rate > 46_000 && rate <= 50_000, `${rate}`);
  assert.equal(limit, 'subject');
});

test('what a short try sent counts, for it was carried', async () => {
  const stuck = async (rate: number): Promise<Trial> => ({ offered: rate > 16_000 ? 17_000 : rate, loss: 0 });
  const { rate, limit } = await searchRate(stuck, { ...OPTIONS, resolution: 0.5 });
  assert.equal(rate, 17_000);
  assert.equal(limit, 'generator');
});

test('stops at the highest rate when that holds', async () => {
  const { trial } = subject(Number.MAX_SAFE_INTEGER);
  const { rate, limit } = await searchRate(trial, { ...OPTIONS, highest: 50_000 });
  assert.equal(rate, 50_000);
  assert.equal(limit, 'highest');
});

test('one per cent lost does not hold, a little less does', async () => {
  const constant = (loss: number) => searchRate(async (rate) => ({ offered: rate, loss }), { ...OPTIONS, highest: 16_000 });
  assert.equal((await constant(0.01)).rate, 0);
  assert.equal((await constant(0.0099)).rate, 16_000);
});

test('every try is told, with its verdict', async () => {
  const verdicts: string[] = [];
  const { trial } = subject(20_000);
  const { trials } = await searchRate(trial, { ...OPTIONS, onTrial: (_rate, _trial, verdict) => verdicts.push(verdict) });
  assert.equal(verdicts.length, trials);
  assert.equal(verdicts[0], 'holds');
  assert.ok(verdicts.includes('loses'));
});

test('a trial that rejects ends the search', async () => {
  await assert.rejects(searchRate(() => Promise.reject(new Error('the traffic process ended')), OPTIONS), /traffic process ended/);
});
