import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reading } from '../engine/engine.ts';
import { createLossEvents, lossIssues } from './losses.ts';

const reading = (drops: Reading['directors'][number]['drops'], refused = 0): Reading => ({
  epoch: 'one', atMs: 0, gauges: { upstream_sockets_refused: refused }, drops: {},
  directors: [{ name: 'web', sessions: 0, sessionsCreated: 0, servers: [], packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, drops }],
});
const texts = (before: Reading | null, now: Reading | null): readonly string[] => lossIssues(before, now).map(({ message, hint }) => `${message}; ${hint}`);

test('what was dropped since the earlier reading is said with its reason and cure, the most first', () => {
  const found = texts(reading({ unreachable: 5, send_full: 1 }), reading({ unreachable: 9, send_full: 100, no_server: 0 }));
  assert.deepEqual(found, [
    'director web dropped 99 datagrams within 20 s (send_full): the kernel had no buffer for the datagram (ENOBUFS, EAGAIN); see which queue is full: tc -s qdisc; the way out is slower than what is sent',
    'director web dropped 4 datagrams within 20 s (unreachable): the kernel has no way to the destination (ENETUNREACH, EHOSTUNREACH, EPERM); see the way and who forbids it: ip route get SERVER, ip link, nft list ruleset',
  ]);
});

test('what was asked for, and what is another\'s, is no warning; nor is anything before there are two readings', () => {
  assert.deepEqual(texts(reading({}), reading({ on_policy: 9, unexpected_reply: 9, no_director: 9, fragment: 9, ttl: 9 })), []);
  assert.deepEqual(texts(null, reading({ no_port: 9 })), []);
  assert.deepEqual(texts(reading({}), null), []);
});

test('sockets that the kernel refused are said before what was lost for it', () => {
  const [first, second] = texts(reading({}, 1), reading({ no_port: 7 }, 4));
  assert.match(first ?? '', /^the kernel refused 3 sockets towards servers within 20 s: .*; raise the limit of open files/);
  assert.match(second ?? '', /\(no_port\)/);
});

test('a loss is an event when it begins, not while it goes on, and again when it comes back', () => {
  const told: string[] = [];
  const take = createLossEvents({ add: ({ kind, director, text }) => void told.push(`${kind} ${director}: ${text}`) });
  take(null, reading({ no_port: 1 }));
  take(reading({ no_port: 1 }), reading({ no_port: 1 }));
  take(reading({ no_port: 1 }), reading({ no_port: 3 }));
  take(reading({ no_port: 1 }), reading({ no_port: 9 }));
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /^losses web: director web dropped 2 datagrams within 20 s \(no_port\): .*; shorten/);
  take(reading({ no_port: 9 }), reading({ no_port: 9 }));
  take(reading({ no_port: 9 }), reading({ no_port: 10 }));
  assert.equal(told.length, 2);
});
