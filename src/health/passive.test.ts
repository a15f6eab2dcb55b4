/** Passive health against a simulated director: requests each tick, replies by each server's honesty, counters as an engine gives them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SessionPolicy } from '../balance/terms.ts';
import type { PassiveSettings } from '../config/model.ts';
import type { Reading, ServerReading } from '../engine/engine.ts';
import { RESPONSE_BUCKETS, responseBucket } from '../engine/response-times.ts';
import { BACK_STEPS, mostAway, passiveStep, STEP_IDLE_MS, verdictOf, type PassiveStates } from './passive.ts';
import { createWindows, windowKey } from './windows.ts';

const SETTINGS: PassiveSettings = { sharePercent: 34, holdMs: 10_000, slower: 5 };
const TICK_MS = 1000;

interface Behaviour {
  /** Replies for a request. */
  readonly replies: number;
  readonly icmp?: number;
  readonly latencyMs?: number;
}
const HONEST: Behaviour = { replies: 1 };
const MUTE: Behaviour = { replies: 0 };

interface World {
  /** Lets one second pass: `perServer` requests to each server at full weight, fewer with less, none when out. */
  tick(perServer: number, behaviours: readonly Behaviour[], noise?: () => number): void;
  readonly states: PassiveStates;
  phases(): string[];
  away(): number;
  percent(i: number): number;
  reason(i: number): string;
  readonly nowMs: number;
}

function world(count: number, options: { session?: SessionPolicy['kind']; settings?: PassiveSettings; times?: boolean } = {}): World {
  const { session = 'request-reply', settings = SETTINGS, times = false } = options;
  const windows = createWindows();
  const names = Array.from({ length: count }, (_, i) => `s${i}`);
  const keys = names.map((name) => windowKey('d', name, 'x'));
  const counters = names.map(() => ({ in: 0, out: 0, icmp: 0, times: Array.from({ length: RESPONSE_BUCKETS }, () => 0) }));
  let states: PassiveStates = new Map();
  let nowMs = 0;
  const percent = (i: number): number => {
    const server = states.get(keys[i] ?? '');
    const verdict = server ? verdictOf(server) : null;
    return verdict === null ? 100 : verdict.percent;
  };
  const reading = (): Reading => {
    const servers = names.map((name, i): ServerReading => {
      const c = counters[i] ?? assert.fail();
      return { name, address: 'x', packetsIn: c.in, bytesIn: 0, packetsOut: c.out, bytesOut: 0, sessions: 0, sessionsCreated: 0, sessionsMoved: 0, unanswered: 0, icmpErrors: c.icmp, responseTimes: times ? [...c.times] : null };
    });
    return { epoch: 'e', atMs: nowMs, directors: [{ name: 'd', packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, sessions: 0, sessionsCreated: 0, drops: {}, servers }], gauges: {}, drops: {} };
  };
  windows.add(reading());
  return {
    tick(perServer, behaviours, noise = () => 0.5) {
      nowMs += TICK_MS;
      counters.forEach((c, i) => {
        const { replies, icmp = 0, latencyMs = 1 } = behaviours[i] ?? HONEST;
        const requests = Math.round((perServer * percent(i)) / 100);
        let answered = 0;
        for (let n = 0; n < requests; n++) if (replies >= 1 || noise() < replies) answered++;
        c.in += requests;
        c.out += answered;
        c.icmp += Math.round(requests * icmp);
        const bucket = responseBucket(latencyMs * 1e6);
        c.times[bucket] = (c.times[bucket] ?? 0) + answered;
      });
      windows.add(reading());
      states = passiveStep(states, { nowMs, session, settings, keys, look: windows.shortest });
    },
    get states() {
      return states;
    },
    phases: () => keys.map((key) => states.get(key)?.phase.kind ?? '-'),
    away: () => keys.filter((key) => states.get(key)?.phase.kind !== 'in').length,
    percent,
    reason: (i) => {
      const server = states.get(keys[i] ?? '');
      return (server && verdictOf(server)?.reason) ?? '';
    },
    get nowMs() {
      return nowMs;
    },
  };
}

/** Ticks until `done`; returns the seconds it took, or fails after `most`. */
function until(w: World, perServer: number, behaviours: readonly Behaviour[], done: () => boolean, most: number): number {
  for (let s = 1; s <= most; s++) {
    w.tick(perServer, behaviours);
    if (done()) return s;
  }
  return assert.fail(`not within ${most} s: ${w.phases().join(' ')}`);
}

test('one of three that eats requests is out within 3 s of traffic, by its own figures', () => {
  const w = world(3);
  for (let i = 0; i < 10; i++) w.tick(100, []);
  assert.deepEqual(w.phases(), ['in', 'in', 'in']);
  const took = until(w, 100, [HONEST, MUTE, HONEST], () => w.phases()[1] === 'out', 10);
  assert.ok(took <= 3, `${took} s`);
  assert.match(w.reason(1), /^passive: answered \d+ % of its requests, the others 100 %$/);
  assert.deepEqual(w.phases(), ['in', 'out', 'in']);
});

test('with 2 requests a second it takes as long as 10 of them take, and with fewer nobody is judged', () => {
  const slow = world(3);
  for (let i = 0; i < 15; i++) slow.tick(2, []);
  assert.ok(until(slow, 2, [HONEST, MUTE, HONEST], () => slow.phases()[1] === 'out', 12) <= 11);
  const idle = world(3);
  for (let i = 0; i < 100; i++) idle.tick(1, [HONEST, MUTE, HONEST]);
  assert.deepEqual(idle.phases(), ['in', 'in', 'in']);
});

test('it comes back by steps once it answers, and goes out for twice as long when it does not', () => {
  const w = world(3);
  for (let i = 0; i < 5; i++) w.tick(100, []);
  until(w, 100, [HONEST, MUTE, HONEST], () => w.percent(1) === 0, 5);
  const firstOut = w.nowMs;
  until(w, 100, [HONEST, MUTE, HONEST], () => w.percent(1) === BACK_STEPS[0], 15);
  assert.equal(w.nowMs - firstOut, SETTINGS.holdMs);
  until(w, 100, [HONEST, MUTE, HONEST], () => w.percent(1) === 0, 6);
  const secondOut = w.nowMs;
  until(w, 100, [], () => w.percent(1) === BACK_STEPS[0], 25);
  assert.equal(w.nowMs - secondOut, 2 * SETTINGS.holdMs);
  const seen = new Set<number>();
  until(w, 100, [], () => (seen.add(w.percent(1)), w.percent(1) === 100), 20);
  assert.deepEqual([...seen], [...BACK_STEPS, 100]);
});

test('a step nobody tries is taken after a while: a service without traffic gets its servers back', () => {
  const w = world(3);
  for (let i = 0; i < 5; i++) w.tick(100, []);
  until(w, 100, [HONEST, MUTE, HONEST], () => w.percent(1) === 0, 5);
  const took = until(w, 0, [], () => w.percent(1) === 100, 200) * 1000;
  assert.ok(took <= SETTINGS.holdMs + BACK_STEPS.length * STEP_IDLE_MS + 2000, `${took}`);
});

test('a one-way service is never judged for silence, whatever its rates', () => {
  const rates = fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 5, maxLength: 60 });
  fc.assert(fc.property(rates, fc.integer({ min: 1, max: 6 }), fc.constantFrom<SessionPolicy['kind']>('one-way', 'two-way', 'request-reply'), (seconds, servers, session) => {
    const w = world(servers, { session });
    for (const perServer of seconds) w.tick(perServer, Array.from({ length: servers }, () => MUTE));
    assert.equal(w.away(), 0);
  }), { numRuns: 200, seed: 20261127 });
});

test('of two servers that never answered, one that begins to answer does not put the other out', () => {
  const w = world(2);
  for (let i = 0; i < 20; i++) w.tick(100, [MUTE, MUTE]);
  for (let i = 0; i < 30; i++) w.tick(100, [HONEST, MUTE]);
  assert.equal(w.away(), 0, 'nobody knows that the second should answer');
});

test('when all fall silent none is an outlier', () => {
  const w = world(5);
  for (let i = 0; i < 10; i++) w.tick(100, []);
  for (let i = 0; i < 60; i++) w.tick(100, Array.from({ length: 5 }, () => MUTE));
  assert.equal(w.away(), 0);
});

test('honest servers with losses alike are never put out', () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 8 }), fc.double({ min: 0.5, max: 1, noNaN: true }), fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })), (servers, replies, noise) => {
    const w = world(servers);
    const next = (): number => noise.next().value ?? 0.5;
    for (let i = 0; i < 40; i++) w.tick(60, Array.from({ length: servers }, () => ({ replies })), next);
    assert.equal(w.away(), 0);
  }), { numRuns: 40, seed: 20261127 });
});

test('however many eat requests, no more than the share are away at once, and never the last', () => {
  const script = fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.array(fc.boolean(), { minLength: 8, maxLength: 8 })), { minLength: 10, maxLength: 80 });
  fc.assert(fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 90 }), script, (servers, sharePercent, seconds) => {
    const w = world(servers, { settings: { ...SETTINGS, sharePercent, holdMs: 3000 } });
    for (let i = 0; i < 5; i++) w.tick(100, []);
    for (const [perServer, honest] of seconds) {
      w.tick(perServer, honest.map((one) => (one ? HONEST : MUTE)));
      assert.ok(w.away() <= mostAway(servers, sharePercent), w.phases().join(' '));
      assert.ok(servers === 0 || w.away() < Math.max(2, servers));
    }
  }), { numRuns: 200, seed: 20261127 });
  assert.deepEqual([mostAway(1, 90), mostAway(2, 34), mostAway(3, 34), mostAway(10, 34), mostAway(10, 90), mostAway(0, 34)], [0, 1, 1, 3, 9, 0]);
});

test('two-way sessions are judged for silence that is nearly whole: their ratio is the application\'s', () => {
  const w = world(3, { session: 'two-way' });
  for (let i = 0; i < 30; i++) w.tick(100, [HONEST, { replies: 0.3 }, HONEST], alternating());
  assert.equal(w.away(), 0);
  assert.ok(until(w, 100, [HONEST, MUTE, HONEST], () => w.phases()[1] === 'out', 6) <= 4);
});

function alternating(): () => number {
  let n = 0;
  return () => (n++ % 10) / 10;
}

test('ICMP errors that the others do not meet put a server out, also where nobody answers', () => {
  const w = world(3, { session: 'one-way' });
  for (let i = 0; i < 5; i++) w.tick(100, [MUTE, MUTE, MUTE]);
  until(w, 100, [MUTE, { replies: 0, icmp: 0.3 }, MUTE], () => w.phases()[1] === 'out', 6);
  assert.match(w.reason(1), /met ICMP errors with \d+ % of its datagrams, the others with 0 %/);
});

test('a server five times slower than the others goes, by 10 ms at least, and only where replies are timed', () => {
  const slow = (latencyMs: number): Behaviour[] => [{ replies: 1, latencyMs: 4 }, { replies: 1, latencyMs }, { replies: 1, latencyMs: 4 }];
  const w = world(3, { times: true });
  for (let i = 0; i < 5; i++) w.tick(100, slow(4));
  until(w, 100, slow(100), () => w.phases()[1] === 'out', 10);
  assert.match(w.reason(1), /took \d+ ms for half of its answers, the others \d/);
  const quick = world(3, { times: true });
  for (let i = 0; i < 20; i++) quick.tick(100, [{ replies: 1, latencyMs: 0.1 }, { replies: 1, latencyMs: 3 }, { replies: 1, latencyMs: 0.1 }]);
  assert.equal(quick.away(), 0);
  const blind = world(3);
  for (let i = 0; i < 20; i++) blind.tick(100, slow(1000));
  assert.equal(blind.away(), 0);
});

test('counters that begin anew, and a clock that jumps back, put nobody out', () => {
  const windows = createWindows();
  const key = windowKey('d', 's', 'x');
  const server: ServerReading = { name: 's', address: 'x', packetsIn: 1000, bytesIn: 0, packetsOut: 1000, bytesOut: 0, sessions: 0, sessionsCreated: 0, sessionsMoved: 0, unanswered: 0, icmpErrors: 0, responseTimes: null };
  const add = (atMs: number, packetsIn: number, epoch = 'e'): void => windows.add({ epoch, atMs, directors: [{ name: 'd', packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, sessions: 0, sessionsCreated: 0, drops: {}, servers: [{ ...server, packetsIn }] }], gauges: {}, drops: {} });
  const look = (): number | undefined => windows.shortest(key, { requests: 1, minMs: 1000 })?.packetsIn;
  add(0, 1000);
  add(1000, 1100);
  assert.equal(look(), 100);
  add(2000, 5, 'f');
  assert.equal(look(), undefined);
  add(3000, 30, 'f');
  assert.equal(look(), 25);
  add(500, 40, 'f');
  assert.equal(look(), undefined, 'the clock went back');
  add(1500, 10, 'f');
  assert.equal(look(), undefined, 'the counters went back: another server under the same name');
  add(1800, 50, 'f');
  assert.equal(windows.all(key, 1)?.packetsIn, 40, 'and counted from there on');
  for (let i = 0; i < 100; i++) add(2000 + i * 1000, 100 + i, 'f');
  assert.equal(windows.all(key, 1)?.ms, 10_000, 'no more is kept than is looked at');
});
