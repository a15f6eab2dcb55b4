import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DirectorReading, Reading } from '../engine/engine.ts';
import { createAnswers } from './answers.ts';

function reading(packetsOut: Readonly<Record<string, number>>): Reading {
  return { epoch: 'e', atMs: 0, drops: {}, gauges: {}, directors: Object.entries(packetsOut).map(([name, count]) => ({ name, packetsOut: count }) as DirectorReading) };
}

test('an answer counts when it is seen to come, not for what was counted before, and not under NAT', () => {
  const answers = createAnswers();
  const after = (packetsOut: Readonly<Record<string, number>>, natted = false): string[] => {
    answers.note(reading(packetsOut), natted);
    return [...answers.seen()];
  };
  assert.deepEqual(after({ a: 7, b: 0 }), [], 'counted by whoever ran before');
  assert.deepEqual(after({ a: 7, b: 1 }), ['b']);
  assert.deepEqual(after({ a: 7, b: 1 }), ['b'], 'it stays seen');
  assert.deepEqual(after({ a: 9, b: 2 }, true), [], 'under NAT answers come back by address');
  assert.deepEqual(after({ a: 9, b: 2 }), []);
  assert.deepEqual(after({ a: 10 }), ['a'], 'a director that is gone is forgotten');
  assert.deepEqual(after({ a: 10, b: 5 }), ['a']);
});
