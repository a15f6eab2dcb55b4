import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { parseIp, type Ip } from '../net/ip.ts';
import { createFakeClock } from './fake-clock.ts';
import { createHealthService, MAX_EVIDENCE, realTimer } from './health-service.ts';
import type { CheckResult, Health, Target } from './health.ts';
import { HOLD_FIRST_MS } from './state.ts';

const LOOPBACK = parseIp('127.0.0.1') as Ip;
const GOOD: CheckResult = { ok: true, detail: 'fine', latencyMs: 1 };
const REFUSED: CheckResult = { ok: false, detail: 'ICMP port unreachable', latencyMs: 1, finding: 'refused' };
const SILENT: CheckResult = { ok: false, detail: 'no answer', latencyMs: 1 };

function target(key: string, more: Partial<Target> = {}): Target {
  return { key, director: 'dns', server: key, ip: LOOPBACK, port: 53, probe: { kind: 'icmp' }, intervalMs: 10_000, timeoutMs: 5000, rise: 2, fall: 3, source: null, via: null, slowStartMs: 0, damping: null, ...more };
}

function set(options: { answer?: (t: Target) => CheckResult; maxInFlight?: number; aheadMs?: number } = {}) {
  const clock = createFakeClock();
  const { aheadMs = 0 } = options;
  const checked: string[] = [];
  const changes: string[] = [];
  const logged: string[] = [];
  let answer = options.answer ?? (() => GOOD);
  const health = createHealthService({
    ...clock,
    nowMs: () => clock.nowMs() + aheadMs,
    random: () => 0,
    log: (text) => logged.push(text),
    runCheck: async (t) => {
      checked.push(t.key);
      return answer(t);
    },
  });
  health.onChange((c) => changes.push(`${c.director}/${c.server} ${c.from.state}>${c.to.state}`));
  return { clock, health, checked, changes, logged, answer: (next: (t: Target) => CheckResult) => (answer = next) };
}

const state = (h: Health): string => h.state;

test('targets are checked from the start on and each change is told once, with its names', async () => {
  const { clock, health, changes } = set({ answer: (t) => (t.key === 'a' ? GOOD : REFUSED) });
  health.setTargets([target('a'), target('b')]);
  assert.equal(state(health.health('a')), 'unknown');
  await clock.advance(5000);
  assert.deepEqual(changes, [], 'not before start');
  health.start();
  await clock.advance(30_000);
  assert.deepEqual(changes.sort(), ['dns/a unknown>up', 'dns/b unknown>down']);
  assert.equal(health.health('b').reason, 'ICMP port unreachable');
  assert.ok(health.health('b').sinceMs >= 1e9, 'shown times are wall times');
});

test('a dead server is seen within fall intervals, the timeout and the jitter', async () => {
  const { clock, health, answer } = set();
  health.setTargets([target('a')]);
  health.start();
  await clock.advance(35_000);
  assert.equal(state(health.health('a')), 'up');
  answer(() => SILENT);
  const diedMs = clock.nowMs();
  while (state(health.health('a')) === 'up') await clock.advance(50);
  assert.ok(clock.nowMs() - diedMs <= 3 * 10_000 + 250, `${clock.nowMs() - diedMs}`);
  assert.ok(clock.nowMs() - diedMs > 2 * 10_000);
});

test('an undecided server that is silent is down after a few seconds, whatever the interval', async () => {
  const { clock, health, checked } = set({ answer: () => SILENT });
  health.setTargets([target('a', { intervalMs: 60_000 })]);
  health.start();
  await clock.advance(3300);
  assert.equal(state(health.health('a')), 'down');
  assert.equal(checked.length, 3);
  await clock.advance(20_000);
  assert.equal(checked.length, 3, 'then at its interval');
});

test('setTargets keeps the state and timers of unchanged targets and forgets the removed', async () => {
  const { clock, health, checked, changes } = set({ answer: () => REFUSED });
  health.setTargets([target('a'), target('b')]);
  health.start();
  await clock.advance(12_000);
  const since = health.health('a').sinceMs;
  const before = checked.filter((k) => k === 'a').length;
  for (let i = 0; i < 200; i++) {
    health.setTargets([target('a')]);
    await clock.advance(100);
  }
  assert.equal(checked.filter((k) => k === 'a').length - before, 2, 'applies neither hurry nor delay a check');
  assert.equal(health.health('a').sinceMs, since);
  assert.equal(state(health.health('b')), 'unknown');
  assert.equal(health.health('b').reason, 'not checked');
  assert.equal(health.counters().targets, 1);
  assert.deepEqual(changes.filter((c) => c.includes('/b')), ['dns/b unknown>down']);
});

test('a changed check keeps a server down until its first good answer', async () => {
  const { clock, health, answer } = set({ answer: () => REFUSED });
  health.setTargets([target('a')]);
  health.start();
  await clock.advance(2000);
  assert.equal(state(health.health('a')), 'down');
  answer(() => GOOD);
  health.setTargets([target('a', { port: 5353 })]);
  assert.equal(state(health.health('a')), 'down');
  await clock.advance(1100);
  assert.equal(state(health.health('a')), 'up');
});

test('probes are compared by what they hold', async () => {
  const { clock, health, checked } = set();
  const udp = (send: number): Partial<Target> => ({ probe: { kind: 'udp', send: Uint8Array.of(send), expect: null, dynamic: false } });
  health.setTargets([target('a', udp(1))]);
  health.start();
  await clock.advance(1100);
  assert.equal(checked.length, 1);
  health.setTargets([target('a', udp(1))]);
  await clock.advance(1100);
  assert.equal(checked.length, 1);
  health.setTargets([target('a', udp(2))]);
  await clock.advance(1100);
  assert.equal(checked.length, 2);
});

test('evidence against an unchecked server is down at once, lapses, and is told with the names in its key', async () => {
  const { clock, health, changes } = set();
  health.evidence('dns|ns1|192.0.2.1|53', 'ICMP port unreachable', 1e9 + 7);
  assert.equal(state(health.health('dns|ns1|192.0.2.1|53')), 'down');
  assert.equal(health.health('dns|ns1|192.0.2.1|53').sinceMs, 1e9 + 7);
  assert.deepEqual(changes, [], 'told after the call, not inside it');
  await clock.advance(HOLD_FIRST_MS + 1);
  assert.equal(state(health.health('dns|ns1|192.0.2.1|53')), 'unknown');
  assert.deepEqual(changes, ['dns/ns1 unknown>down', 'dns/ns1 down>unknown']);
  await clock.advance(120_000);
  assert.equal(clock.pending(), 0, 'forgotten in the end');
});

test('evidence against a checked server stands until `rise` good checks', async () => {
  const { clock, health, changes } = set();
  health.setTargets([target('a')]);
  health.start();
  await clock.advance(15_000);
  health.evidence('a', 'ICMP port unreachable', clock.wallMs());
  assert.equal(state(health.health('a')), 'down');
  await clock.advance(25_000);
  assert.equal(state(health.health('a')), 'up');
  assert.deepEqual(changes, ['dns/a unknown>up', 'dns/a up>down', 'dns/a down>up']);
});

test('a server that becomes checked keeps the evidence against it', async () => {
  const { clock, health } = set();
  health.start();
  health.evidence('a', 'ICMP port unreachable', 1);
  health.setTargets([target('a')]);
  assert.equal(state(health.health('a')), 'down');
  await clock.advance(1100);
  assert.equal(state(health.health('a')), 'down', 'one good check is not two');
  await clock.advance(20_000);
  assert.equal(state(health.health('a')), 'up');
});

test('evidence against made-up servers is bounded, and the excess is counted', () => {
  const { health } = set();
  for (let i = 0; i < MAX_EVIDENCE + 5; i++) health.evidence(`d|s${i}|192.0.2.1|1`, 'ICMP', 0);
  assert.equal(health.counters().evidenceDropped, 5);
  assert.equal(state(health.health(`d|s${MAX_EVIDENCE}|192.0.2.1|1`)), 'unknown');
});

test('a listener may call the service, and one that throws harms no other', async () => {
  const { clock, health, changes, logged } = set();
  let depth = 0;
  health.onChange((c) => {
    depth++;
    assert.equal(depth, 1, 'never inside another');
    if (c.to.state === 'up') health.evidence(c.key, 'ICMP', 1);
    health.setTargets([target('a')]);
    depth--;
    throw new Error('listener broke');
  });
  health.setTargets([target('a')]);
  health.start();
  await clock.advance(1100);
  assert.deepEqual(changes, ['dns/a unknown>up', 'dns/a up>down']);
  assert.match(logged[0] ?? '', /listener broke/);
});

test('one trouble of this host is logged once, however many servers it keeps from being checked', async () => {
  const { clock, health, logged } = set({ answer: () => ({ ok: false, detail: 'no descriptor left', latencyMs: 0, finding: 'cannot' }) });
  health.setTargets(Array.from({ length: 500 }, (_, i) => target(`t${i}`)));
  health.start();
  await clock.advance(20_000);
  assert.equal(logged.length, 1);
});

test('a check that throws or cannot run leaves the server in and is logged once', async () => {
  const { clock, health, logged } = set({
    answer: () => {
      throw new TypeError('oops');
    },
  });
  health.setTargets([target('a')]);
  health.start();
  await clock.advance(60_000);
  assert.equal(state(health.health('a')), 'unknown');
  assert.equal(logged.length, 1);
  assert.match(logged[0] ?? '', /check of a cannot run: the check broke: oops/);
  assert.ok(health.counters().cannot > 3);
  assert.equal(health.counters().failed, 0);
});

test('stop ends real checks at once, leaves no socket, and start goes on from the known state', async () => {
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  let asked = 0;
  let changed = (): void => undefined;
  const health = createHealthService();
  health.onChange(() => changed());
  const t = target('a', { port: server.address().port, intervalMs: 1000, timeoutMs: 30_000, probe: { kind: 'udp', send: Uint8Array.of(1), expect: { kind: 'regex', source: 'ok', flags: '' }, dynamic: false } });
  const first = once(server, 'message');
  health.setTargets([t]);
  health.start();
  await first;
  assert.equal(health.counters().inFlight, 1);
  await health.stop();
  assert.equal(health.counters().inFlight, 0);
  assert.equal(state(health.health('a')), 'unknown', 'a check that was ended says nothing');
  server.on('message', (_m, from) => {
    asked++;
    server.send('ok', from.port, from.address);
  });
  const up = new Promise<void>((resolve) => (changed = resolve));
  health.start();
  await up;
  assert.equal(state(health.health('a')), 'up');
  assert.equal(asked, 1);
  await health.stop();
  server.close();
});

test('what is known outlives the process: states, counts, evidence and its hold, whatever the monotonic clock reads', async () => {
  const old = set({ answer: (t) => (t.key === 'a' ? GOOD : REFUSED) });
  old.health.setTargets([target('a'), target('b')]);
  old.health.start();
  await old.clock.advance(30_000);
  old.health.evidence('free', 'ICMP port unreachable', old.clock.wallMs());
  const memory = JSON.parse(JSON.stringify(old.health.memory())) as ReturnType<typeof old.health.memory>;
  const next = set({ answer: () => SILENT, aheadMs: 5e6 });
  await next.clock.advance(old.clock.wallMs() - next.clock.wallMs());
  const told: string[] = [];
  next.health.onChange((c) => told.push(c.key));
  next.health.remember(memory);
  next.health.setTargets([target('a'), target('b'), target('c')]);
  assert.deepEqual(['a', 'b', 'c', 'free'].map((key) => state(next.health.health(key))), ['up', 'down', 'unknown', 'down']);
  assert.deepEqual(next.health.health('b'), old.health.health('b'));
  assert.deepEqual(told, [], 'nothing has changed, so nothing is told');
  await next.clock.advance(HOLD_FIRST_MS + 1);
  assert.equal(state(next.health.health('free')), 'unknown', 'the hold ends when it would have');
});

test('an answer that came while this process had no time is read before its check times out', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const order: string[] = [];
  socket.on('message', (text) => order.push(text.toString()));
  const timedOut = new Promise<void>((resolve) => void realTimer(() => resolve(void order.push('time-out')), 1));
  // Nothing of this process runs until the datagram has arrived.
  execFileSync(process.execPath, ['-e', `const socket = require('dgram').createSocket('udp4'); socket.send('answer', ${socket.address().port}, '127.0.0.1', () => socket.close())`]);
  await timedOut;
  assert.deepEqual(order, ['answer', 'time-out']);
  socket.close();
});

test('a timer that is taken back in its last turn does not run', async () => {
  const ran: string[] = [];
  const takeBack = realTimer(() => ran.push('ran'), 1);
  // Both are due when the event loop gets to its timers, so both have their turn in it: this one after the first, before the turn ends.
  const both = new Promise<void>((resolve) => setTimeout(() => resolve(takeBack()), 1));
  const dueMs = performance.now() + 5;
  while (performance.now() < dueMs);
  await both;
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(ran, []);
});
