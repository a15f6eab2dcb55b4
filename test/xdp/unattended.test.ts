/**
 * The xdp engine with nobody in charge: the daemon is dead, the session table full, and new clients keep coming. Whoever has a session keeps it and
 * its server, whoever has none is served without one where replies need none (mode tunnel, gateway), else dropped and counted; memory is what it was,
 * and a table that nobody sweeps takes new sessions again once old ones are idle.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientEndpoint } from '../../bench/traffic/layout.ts';
import type { Structs } from '../../src/engine/xdp/codec.ts';
import { swap16 } from '../../src/engine/xdp/addresses.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { assertRight, makeStage, sourceNat, type Outcome, type Stage, type StageOptions } from './stage.ts';

const RECORDS = 1 << 13;
const KEPT = 1_000;
/** New clients while the daemon is dead: three times what the table holds. */
const FLOOD = 3 * RECORDS;
const RATE = 25_000;
const SETTING = { servers: 16, records: RECORDS };

/** Makes the stage and sessions of the kept clients, and kills the daemon. */
async function unattended(scope: Scope, signal: AbortSignal, options: StageOptions): Promise<Stage> {
  const stage = await makeStage(scope, signal, options);
  const daemon = await stage.start();
  const made = await stage.send({ framesPerSecond: RATE, seconds: (2 * KEPT) / RATE, clients: KEPT });
  assert.deepEqual([made.reflector.reflected, made.reflector.first], [made.left, KEPT]);
  assert.equal((await daemon.counted()).directors[0]?.sessions, KEPT);
  await daemon.process.stop('SIGKILL');
  return stage;
}

/** Every other datagram is of a kept client, the others of clients that nobody has seen, from number `first` on. Asserts that the kept ones came through. */
async function flood(stage: Stage, first: number, count: number): Promise<Outcome> {
  const seen = await stage.send({ framesPerSecond: RATE, seconds: (2 * count) / RATE, firstClient: first, clients: count, kept: { first: 0, count: KEPT } });
  assertRight(seen);
  const { sender, reflector, left } = seen;
  const missing = sender.kept - reflector.kept;
  // What the generator's device had no room for may have been any of them; mostly there is none of it.
  assert.ok(missing <= sender.sent - left, `${missing} datagrams of kept sessions are lost, ${sender.sent - left} were never sent`);
  return seen;
}

test('nat: the kept sessions lose nothing, new ones fill the table to its last records, the rest is dropped and counted; idle ones make room with nobody to sweep', { timeout: 60_000 }, async (t) => {
  await withScope(async (scope) => {
    const stage = await unattended(scope, t.signal, { ...SETTING, at: 'reflect_home', sections: sourceNat, director: '    balance roundrobin\n    session two-way timeout 10m\n{servers}' });
    const seen = await flood(stage, KEPT, FLOOD);
    const served = seen.reflector.first;
    const dropped = seen.left - seen.receiver.replies;
    t.diagnostic(`${seen.receiver.kept} datagrams of kept sessions answered, ${served} new sessions in a table of ${RECORDS}, ${dropped} datagrams dropped`);
    assert.ok(served >= 0.97 * (RECORDS - KEPT) && served <= RECORDS - KEPT, `${served} of ${RECORDS - KEPT} records`);

    // As after an hour in which those that came were silent: whoever looks for a record ends what is idle, and frees it once it has rested.
    const kept = clientsOf(stage, KEPT);
    const idle = stage.expire((sessions, record) => !kept(sessions, record));
    assert.equal(idle, served);
    const ends = await flood(stage, KEPT + FLOOD, RECORDS / 2);
    stage.rested();
    const again = await flood(stage, KEPT + FLOOD + RECORDS / 2, RECORDS / 4);
    assert.equal(again.receiver.replies, again.left, 'all that come are served again');
    assert.ok(again.reflector.first > RECORDS / 8 && again.reflector.first === again.reflector.reflected - again.reflector.kept, `${again.reflector.first} newcomers`);

    const daemon = await stage.start();
    const { directors, engine } = await daemon.counted();
    const lost = dropped + ends.left - ends.receiver.replies;
    assert.deepEqual([directors[0]?.drops['table_full'], engine.gauges['session_table_capacity']], [lost, RECORDS]);
  });
});

test('tunnel: the same, and those without a session are served all the same, one flow by one server', { timeout: 60_000 }, async (t) => {
  await withScope(async (scope) => {
    const stage = await unattended(scope, t.signal, { ...SETTING, at: 'absorb_home', director: '    balance roundrobin\n    mode tunnel\n    session two-way timeout 10m\n{servers}' });
    // Twice: those that have no session come to the server they came to before.
    let newcomers = 0;
    for (let round = 0; round < 2; round++) {
      const seen = await flood(stage, KEPT, FLOOD);
      newcomers += seen.reflector.reflected - seen.reflector.kept;
      assert.equal(seen.reflector.reflected, seen.left);
    }
    const daemon = await stage.start();
    const { directors, engine } = await daemon.counted();
    const stateless = engine.gauges['stateless_datagrams'] ?? 0;
    const held = (directors[0]?.sessions ?? 0) - KEPT;
    t.diagnostic(`${newcomers} datagrams of newcomers; ${directors[0]?.sessions} sessions in a table of ${RECORDS}, ${stateless} datagrams served without one`);
    assert.equal(directors[0]?.drops['table_full'] ?? 0, 0);
    // However many the generator got to send: each newcomer with a session had one datagram a round.
    assert.ok(stateless >= newcomers - 2 * held && stateless <= newcomers - held, `${stateless} stateless of ${newcomers}, ${held} newcomers with a session`);
    assert.ok(held > 0.9 * (RECORDS - KEPT) && stateless > held && engine.gauges['session_records'] <= RECORDS, `${stateless} stateless, ${held} held, ${engine.gauges['session_records']} records`);
  });
});

/** Returns a test of whether a record is of one of the first `count` clients. */
function clientsOf({ topology: { place } }: Stage, count: number): (sessions: Structs, record: number) => boolean {
  const known = new Set(Array.from({ length: count }, (_, client) => {
    const { ip, port } = clientEndpoint(place, client);
    return `${ip} ${port}`;
  }));
  return (sessions, record) => {
    const word = sessions.get(record, 'client4_be');
    const ip = ((word & 0xff) << 24 | (word & 0xff00) << 8 | (word >>> 8 & 0xff00) | word >>> 24) >>> 0;
    return known.has(`${ip} ${swap16(sessions.get(record, 'client_port_be'))}`);
  };
}
