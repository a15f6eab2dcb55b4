import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reading, ServerReading } from '../engine/engine.ts';
import { RESPONSE_BOUNDS_MS, RESPONSE_BUCKETS } from '../engine/response-times.ts';
import { createRecentWindow, directorRecent, responsesSince, responseView, sumOfResponses } from './recent.ts';

const counts = (filled: Readonly<Record<number, number>>): number[] => Array.from({ length: RESPONSE_BUCKETS }, (_, i) => filled[i] ?? 0);

function server(responseTimes: readonly number[] | null, name = 'a'): ServerReading {
  return { name, address: '192.0.2.1:53', packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, sessions: 0, sessionsCreated: 0, sessionsMoved: 0, unanswered: 0, icmpErrors: 0, responseTimes };
}

function reading(atMs: number, epoch = 'e'): Reading {
  return { epoch, atMs, directors: [], gauges: {}, drops: {} };
}

test('percentiles are of what came since, not of all time', () => {
  const before = server(counts({ 3: 1000 }));
  const now = server(counts({ 3: 1000, 10: 98, 20: 2 }));
  const view = responseView(responsesSince(before, now));
  assert.equal(view?.replies, 100);
  assert.ok((view?.p50Ms ?? 0) > RESPONSE_BOUNDS_MS[9] && (view?.p90Ms ?? 0) <= RESPONSE_BOUNDS_MS[10], JSON.stringify(view));
  assert.ok((view?.p99Ms ?? 0) > RESPONSE_BOUNDS_MS[19], JSON.stringify(view));
});

test('no replies have no times; an engine that does not see them says nothing at all; counts that began again are none', () => {
  assert.deepEqual(responseView(responsesSince(server(counts({ 3: 5 })), server(counts({ 3: 5 })))), { replies: 0, p50Ms: null, p90Ms: null, p99Ms: null });
  assert.equal(responseView(responsesSince(server(null), server(null))), null);
  assert.equal(responseView(responsesSince(server(counts({ 3: 5 })), server(counts({ 3: 1 }))))?.replies, 0);
  assert.equal(responseView(responsesSince(undefined, server(counts({ 3: 5 }))))?.replies, 5);
});

test('a director is the sum of its servers, those the engine does not see left out', () => {
  const director = (servers: readonly ServerReading[]) => ({ name: 'd', packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, sessions: 0, sessionsCreated: 0, drops: {}, servers });
  const since = directorRecent(director([server(counts({ 4: 1 }), 'a')]), director([server(counts({ 4: 3 }), 'a'), server(counts({ 5: 7 }), 'b'), server(null, 'c')]));
  assert.deepEqual(sumOfResponses([...since.values()].map(({ responses }) => responses)), counts({ 4: 2, 5: 7 }));
  assert.equal(sumOfResponses([null, null]), null);
});

test('the window is one to two times its length, and starts again with the counters', () => {
  const window = createRecentWindow(10);
  assert.equal(window.base(reading(0)), null);
  const spans = Array.from({ length: 60 }, (_, i) => {
    window.push(reading(i));
    return i - (window.base(reading(i))?.atMs ?? Number.NaN);
  });
  assert.deepEqual([spans[0], spans[9]], [0, 9]);
  assert.ok(spans.slice(10).every((span) => span >= 10 && span < 20), spans.join(' '));
  assert.equal(window.base(reading(60, 'other')), null);
  window.push(reading(60, 'other'));
  assert.equal(window.base(reading(61, 'other'))?.atMs, 60);
});
