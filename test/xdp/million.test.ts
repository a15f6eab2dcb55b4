/**
 * A million live sessions on the xdp engine, the whole daemon: killed and started again under load, paged through, searched, and expired all at once.
 * Datagrams are lost nowhere, every flow keeps its server, and the daemon answers meanwhile. The maps take what they take when they are made, whatever comes.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { after, before, test, type TestContext } from 'node:test';
import { readMaps } from '../../bench/memory.ts';
import { clientEndpoint } from '../../bench/traffic/layout.ts';
import { until } from '../contract/mailbox.ts';
import { WEIR } from '../fixtures/weir.ts';
import { Scope } from '../fixtures/scope.ts';
import { assertRight, makeStage, sourceNat, type Daemon, type Outcome, type Stage } from './stage.ts';

const SESSIONS = 1_000_000;
const RECORDS = 1 << 21;
const SERVERS = 64;
/** Datagrams a second while every client sends one; where a stranger holds a CPU up the generator may have to leave some out, and goes round again. */
const RATE = 300_000;
const ROUNDS = 4;
/** Clients that go on while the daemon is killed and started again, and how fast they ask together. */
const KEPT = 10_000;
const LOAD_RATE = 20_000;
const LOAD_SECONDS = 2;

/** 160 bytes a record, and 40 MiB of what does not grow with it. */
const MOST_MAP_BYTES = 160 * RECORDS + (40 << 20);

/** For how long the daemon's event loop may be held up, and how long a status may take to come, in ms: what this file is about. */
const HELD_MS = 60;
const STATUS_MS = 150;
/** How often one is asked for. */
const STATUS_EVERY_MS = 20;

const scope = new Scope();
const quit = new AbortController();
let stage: Stage;
let daemon: Daemon;
after(async () => {
  await scope.end();
  quit.abort();
});

before(async () => {
  stage = await makeStage(scope, quit.signal, {
    servers: SERVERS, records: RECORDS, at: 'reflect_home', sections: sourceNat, director: '    balance roundrobin\n    session two-way timeout 10m\n{servers}',
  });
  daemon = await stage.start();
}, { timeout: 60_000 });

function mapBytes(): number {
  return readMaps(daemon.process.pid).reduce((sum, map) => sum + map.bytes, 0);
}

/** Adds up runs, none of which may have lost a datagram. */
class Sum {
  left = 0;
  sent = 0;
  /** Datagrams that were the first of their client. */
  first = 0;

  add(run: Outcome): void {
    assertRight(run);
    assert.deepEqual({ reflected: run.reflector.reflected, replies: run.receiver.replies }, { reflected: run.left, replies: run.left });
    this.left += run.left;
    this.sent += run.sender.sent;
    this.first += run.reflector.first;
  }
}

/** One datagram of every client. */
async function visitEvery(sum: Sum): Promise<Sum> {
  const before = sum.sent;
  for (let turn = 0; turn < SESSIONS; turn = sum.sent - before) {
    sum.add(await stage.send({ framesPerSecond: RATE, seconds: Math.min(2, (SESSIONS - turn) / RATE), clients: SESSIONS, turn }));
    assert.ok(sum.sent - before > turn, 'the generator sent nothing');
  }
  return sum;
}

/** Asks for the status again and again until `work` is done; returns what that gave, and the longest that a status took. */
async function watched<T>(t: TestContext, what: string, work: Promise<T>): Promise<T> {
  let done = false;
  const end = work.finally(() => {
    done = true;
  });
  await daemon.held();
  let slowest = 0;
  const began = performance.now();
  let asked = 0;
  for (; !done; asked++) {
    const at = performance.now();
    await daemon.client.status();
    slowest = Math.max(slowest, performance.now() - at);
    await setTimeout(STATUS_EVERY_MS);
  }
  const value = await end;
  const held = await daemon.held();
  t.diagnostic(`${what}: ${Math.round(performance.now() - began)} ms, ${asked} statuses, the slowest ${Math.round(slowest)} ms, event loop held up ${held} ms at most`);
  assert.ok(held <= HELD_MS, `${what}: the event loop was held up for ${held} ms`);
  assert.ok(slowest <= STATUS_MS, `${what}: a status took ${Math.round(slowest)} ms`);
  return value;
}

test('a million sessions are made, each with its own client', { timeout: 60_000 }, async (t) => {
  const empty = mapBytes();
  const began = performance.now();
  const made = new Sum();
  for (let round = 0; round < ROUNDS && made.first < SESSIONS; round++) await visitEvery(made);
  const { directors, engine } = await daemon.counted();
  t.diagnostic(`${SESSIONS} sessions in ${Math.round(performance.now() - began)} ms; the maps take ${Math.round(mapBytes() / 2 ** 20)} MiB`);
  assert.equal(mapBytes(), empty);
  assert.ok(empty < MOST_MAP_BYTES, `${empty} bytes`);
  assert.deepEqual([directors[0]?.sessions, directors[0]?.sessionsCreated, engine.gauges['session_records'], engine.gauges['session_table_capacity']], [SESSIONS, SESSIONS, SESSIONS, RECORDS]);
});

test('kill -9 and a new start under load: no datagram is lost, every session is there', { timeout: 60_000 }, async (t) => {
  let back = false;
  const load = (async () => {
    const sum = new Sum();
    // One more run with the new daemon.
    for (let last = false; !last;) {
      last = back;
      sum.add(await stage.send({ framesPerSecond: LOAD_RATE, seconds: LOAD_SECONDS, clients: KEPT, turn: sum.sent % KEPT }));
    }
    return sum;
  })();
  const emptyMs = daemon.startMs;
  assert.deepEqual(await daemon.process.stop('SIGKILL'), { code: null, signal: 'SIGKILL' });
  daemon = await stage.start().finally(() => {
    back = true;
  });
  const { left, first } = await load;
  t.diagnostic(`the new daemon was there ${daemon.startMs} ms after its start (${emptyMs} ms with an empty table and no load); ${left} datagrams meanwhile, all answered`);
  assert.equal(first, 0);
  assert.ok(left > LOAD_RATE, `only ${left} sent`);
  const { directors } = await daemon.counted();
  assert.deepEqual([directors[0]?.sessions, directors[0]?.sessionsCreated], [SESSIONS, SESSIONS]);
});

test('each of the million flows has the server it had before, and its own reply', { timeout: 60_000 }, async (t) => {
  const { left, first } = await visitEvery(new Sum());
  t.diagnostic(`${left} of ${SESSIONS} flows`);
  assert.equal(first, 0);
  assert.ok(left >= 0.99 * SESSIONS, `only ${left} flows`);
  const { directors } = await daemon.counted();
  assert.deepEqual([directors[0]?.sessions, directors[0]?.sessionsCreated, directors[0]?.servers.map((s) => s.sessions)], [SESSIONS, SESSIONS, Array.from({ length: SERVERS }, () => SESSIONS / SERVERS)]);
});

/** Runs the CLI's `weir sessions` and calls back with the client of each row. */
async function list(args: readonly string[], onClient: (address: string, port: number) => void): Promise<void> {
  const child = spawn('nsenter', [`--net=/run/netns/${stage.topology.balancer}`, process.execPath, WEIR, 'sessions', ...args, '--state', daemon.state], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let rest = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const match = /^flows +([0-9.]+):(\d+) /.exec(line);
      if (match !== null) onClient(match[1]!, Number(match[2]));
    }
  });
  assert.deepEqual(await ended, [0, null]);
}

test('the CLI pages through all of them, each session once, and the daemon answers meanwhile', { timeout: 90_000 }, async (t) => {
  const { place } = stage.topology;
  const seen = new Uint8Array(SESSIONS);
  const first = clientEndpoint(place, 0);
  const work = list(['--all'], (address, port) => {
    const ip = address.split('.').reduce((value, byte) => value * 256 + Number(byte), 0);
    seen[(port - first.port) * place.clientAddresses + ip - first.ip]++;
  });
  await watched(t, 'paging', work);
  assert.equal(seen.findIndex((count) => count !== 1), -1);
});

test('filters find one client among a million, and all of one server', { timeout: 60_000 }, async (t) => {
  const one = await watched(t, 'one client', daemon.client.sessions({ client: '203.0.113.7:2000', limit: 10 }));
  assert.deepEqual([one.sessions.map((s) => s.client), one.next, one.total], [['203.0.113.7:2000'], null, SESSIONS]);
  const none = await watched(t, 'nobody', daemon.client.sessions({ client: '203.0.113.251', limit: 10 }));
  assert.deepEqual([none.sessions, none.next], [[], null]);
  let listed = 0;
  await watched(t, 'one server', list(['--server', 's7', '--all'], () => listed++));
  assert.equal(listed, SESSIONS / SERVERS);
});

test('a million sessions that are idle at once are ended by the sweep, and their records freed, a slice at a time', { timeout: 60_000 }, async (t) => {
  assert.equal(stage.expire(), SESSIONS);
  await watched(t, 'expiry', until('no session to be left', () => daemon.client.status(), ({ directors }) => directors[0]?.sessions === 0, 20_000));
  stage.rested();
  await watched(t, 'records freed', until('no record to be in use', () => daemon.client.status(), ({ engine }) => engine.gauges['session_records'] === 0, 20_000));
});
