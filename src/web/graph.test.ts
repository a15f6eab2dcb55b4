import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SampleView } from '../client/types.ts';
import { dropLines, graphOf } from './graph.ts';

const ONE = { packetsInPerS: 1, bytesInPerS: 2, packetsOutPerS: 0, bytesOutPerS: 0, sessions: 2, newSessionsPerS: 0, dropsPerS: 0, drops: {}, responses: null };
const sample = (second: number, drops: Readonly<Record<string, number>> = {}, name = 'web'): SampleView => ({ atMs: second * 1000, directors: [{ ...ONE, name: 'other' }, { ...ONE, name, drops }] });

test('a graph is of one director and the last span alone', () => {
  const samples = Array.from({ length: 100 }, (_, i) => sample(i));
  assert.deepEqual(graphOf(samples, 'web', 10_000).times, [89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
  assert.deepEqual(graphOf(samples, 'gone', 10_000), { times: [], points: [] });
  assert.deepEqual(graphOf([], 'web', 10_000), { times: [], points: [] });
});

test('where no samples were taken the line is broken, not drawn through', () => {
  const { times, points } = graphOf([sample(1), sample(2), sample(30), sample(31)], 'web', 60_000);
  assert.deepEqual(times, [1, 2, 2.001, 30, 31]);
  assert.deepEqual(points.map((point) => point === null), [false, false, true, false, false]);
});

test('drops are lines by reason, the most first, and the rest together', () => {
  const { points } = graphOf([sample(1, { no_server: 5, no_port: 1 }), sample(2), sample(20, { table_full: 2, send_full: 0.5, too_big: 0.25, no_port: 4 })], 'web', 60_000);
  assert.deepEqual(dropLines(points), [
    { reason: 'no_server', values: [5, 0, null, 0] }, { reason: 'no_port', values: [1, 0, null, 4] }, { reason: 'table_full', values: [0, 0, null, 2] }, { reason: 'other', values: [0, 0, null, 0.75] },
  ]);
  assert.deepEqual(dropLines(graphOf([sample(1)], 'web', 1000).points), []);
});
