import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerView } from '../client/types.ts';
import { sharesOf } from './share.ts';

const server = (weight: number, sessions: number, recent: ServerView['recent']): ServerView => ({
  director: 'd', name: 's', address: '', state: 'up', reason: '', sinceMs: 0, weight, configuredWeight: weight, weightPercent: 100, sorry: false, checked: false, override: null, sessions, sessionsCreated: 1e6,
  sessionsMoved: 0, unanswered: 0, icmpErrors: 0, recent, responses: null, lastCheck: null, packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0,
});

test('shares are of new sessions, of live ones when none is new, of datagrams where there are no sessions', () => {
  const fresh = sharesOf([server(10, 5, { sessions: 3, packetsIn: 0 }), server(30, 90, { sessions: 1, packetsIn: 0 })]);
  assert.deepEqual([fresh.of, fresh.parts, fresh.due], ['4 new sessions', [0.75, 0.25], [0.25, 0.75]]);
  const live = sharesOf([server(1, 1, { sessions: 0, packetsIn: 70 }), server(1, 3, { sessions: 0, packetsIn: 10 })]);
  assert.deepEqual([live.of, live.parts], ['4 live sessions', [0.25, 0.75]]);
  const oneWay = sharesOf([server(1, 0, { sessions: 0, packetsIn: 1 }), server(0, 0, { sessions: 0, packetsIn: 0 })]);
  assert.deepEqual([oneWay.of, oneWay.parts, oneWay.due], ['1 datagram', [1, 0], [1, 0]]);
});

test('a sorry server is due nothing while another serves, and all when none does', () => {
  const sorry = { ...server(10, 0, { sessions: 0, packetsIn: 0 }), sorry: true };
  assert.deepEqual(sharesOf([server(10, 0, { sessions: 1, packetsIn: 0 }), sorry]).due, [1, 0]);
  assert.deepEqual(sharesOf([server(0, 0, { sessions: 1, packetsIn: 0 }), sorry]).due, [0, 1]);
});

test('nothing to share is no share, and no weight gives nothing', () => {
  const none = sharesOf([server(0, 0, { sessions: 0, packetsIn: 0 })]);
  assert.deepEqual([none.of, none.parts, none.due], ['', [null], [0]]);
});
