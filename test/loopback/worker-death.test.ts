/** A packet thread that dies in the middle of traffic: what it had open is closed, another takes its place, and no client is left with nobody to hear it. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { EngineEvent, Reading } from '../../src/engine/engine.ts';
import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import type { DesiredDirector } from '../../src/plan/desired.ts';
import { Mailbox, until } from '../contract/mailbox.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { breakEpoll, packetEpolls } from '../fixtures/packet-epolls.ts';
import { withScope } from '../fixtures/scope.ts';

const VIP = { ip: local(1), port: 5300 };
const SERVER = { ip: local(11), port: 5301 };
const DIRECTOR: DesiredDirector = {
  name: 'echo', vip: { family: 4, text: VIP.ip }, ports: { first: VIP.port, last: VIP.port }, protocol: 'udp', mode: 'nat', balance: 'roundrobin', persistence: null,
  session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null }, on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } }, sourceNat: null,
  servers: [{ name: 'one', ip: { family: 4, text: SERVER.ip }, port: SERVER.port, weight: 1, state: 'up', sorry: false }],
};
const CLIENTS = 64;

function sumOfCounters({ directors, drops }: Reading): number {
  const [d] = directors;
  return (d?.packetsIn ?? 0) + (d?.packetsOut ?? 0) + (d?.sessionsCreated ?? 0) + Object.values(drops).reduce((sum, n) => sum + n, 0);
}

test('its sockets are closed, its place is taken, every client is answered again, and no counter goes back', { timeout: 60_000 }, () => withScope(async (scope) => {
  const events = new Mailbox<EngineEvent>('events', (event) => JSON.stringify(event));
  const engine = await createUserspaceEngine({ onEvent: (event) => events.push(event), workers: 2 });
  scope.defer(() => engine.close('remove'));
  await engine.apply({ steps: [], next: { directors: [DIRECTOR] } });
  await openSocket(scope, { ...SERVER, tag: 'one' });
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => openSocket(scope, { ip: local(99) })));
  const everyoneIsAnswered = async (text: string): Promise<void> => {
    for (const client of clients) await client.send(text, VIP);
    for (const client of clients) await client.inbox.take((got) => got.text === `one:${text}`);
  };
  await everyoneIsAnswered('before');
  const descriptors = readdirSync('/proc/self/fd').length;
  const before = await engine.read();

  const [first = -1] = packetEpolls();
  assert.equal(packetEpolls().length, 2);
  breakEpoll(first);
  const fault = await events.take(({ kind }) => kind === 'fault');
  assert.ok(fault.kind === 'fault' && fault.recovered && /packet worker \d died.*started again, its sessions were lost/.test(fault.detail), JSON.stringify(fault));
  assert.equal(packetEpolls().length, 2);

  // Who was with the dead thread begins again; who was not never noticed. The kernel spreads clients over the listeners: one that is left would have its share.
  await everyoneIsAnswered('after');
  const after = await engine.read();
  assert.equal(after.epoch, before.epoch);
  assert.ok(sumOfCounters(after) >= sumOfCounters(before) + 2 * CLIENTS);
  assert.ok((after.directors[0]?.sessionsCreated ?? 0) < 2 * CLIENTS, 'only the dead thread\'s sessions were made anew');
  await until('the dead thread\'s descriptors are closed', async () => readdirSync('/proc/self/fd').length, (n) => n <= descriptors + 4);
}));

/** Fewer than the engine starts a worker again within a minute. */
const DEATHS = 4;
/** The tables of one worker are some 150 MiB long, of which next to nothing has been touched. */
const RSS_MORE_MIB = 40;

test('the memory of a packet thread that died goes back, and the next one touches no more of its tables than the first', { timeout: 60_000 }, () => withScope(async (scope) => {
  const events = new Mailbox<EngineEvent>('events', (event) => JSON.stringify(event));
  const engine = await createUserspaceEngine({ onEvent: (event) => events.push(event), workers: 2 });
  scope.defer(() => engine.close('remove'));
  await engine.apply({ steps: [], next: { directors: [DIRECTOR] } });
  const rssMiB = (): number => process.memoryUsage().rss / 2 ** 20;
  const before = rssMiB();
  for (let n = 0; n < DEATHS; n++) {
    breakEpoll(packetEpolls()[0] ?? -1);
    const fault = await events.take(({ kind }) => kind === 'fault');
    assert.ok(fault.kind === 'fault' && fault.recovered, JSON.stringify(fault));
  }
  await until('memory as it was', async () => rssMiB(), (now) => now < before + RSS_MORE_MIB);
}));
