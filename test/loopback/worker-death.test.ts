/** A packet thread that dies in the middle of traffic, of a call that failed or of memory: what it had open is closed, another takes its place, and no client is left with nobody to hear it. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { Session } from 'node:inspector';
import { test } from 'node:test';
import type { EngineEvent, Reading } from '../../src/engine/engine.ts';
import { createUserspaceEngine, type UserspaceOptions } from '../../src/engine/userspace/index.ts';
import type { DesiredDirector } from '../../src/plan/desired.ts';
import { Mailbox, until } from '../contract/mailbox.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { breakEpoll, packetEpolls } from '../fixtures/packet-epolls.ts';
import { residentMib, watchPeak } from '../fixtures/resident.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';

const VIP = { ip: local(1), port: 5300 };
const SERVER = { ip: local(11), port: 5301 };
const DIRECTOR: DesiredDirector = {
  name: 'echo', vip: { family: 4, text: VIP.ip }, ports: { first: VIP.port, last: VIP.port }, protocol: 'udp', mode: 'nat', balance: 'roundrobin', persistence: null,
  session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null }, on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } }, sourceNat: null,
  servers: [{ name: 'one', ip: { family: 4, text: SERVER.ip }, port: SERVER.port, weight: 1, state: 'up', sorry: false }],
};
const CLIENTS = 64;

function sumOfCounters({ directors, drops }: Reading): number {
  const [d] = directors;
  return (d?.packetsIn ?? 0) + (d?.packetsOut ?? 0) + (d?.sessionsCreated ?? 0) + Object.values(drops).reduce((sum, n) => sum + n, 0);
}

interface Stage {
  readonly engine: Awaited<ReturnType<typeof createUserspaceEngine>>;
  readonly events: Mailbox<EngineEvent>;
  everyoneIsAnswered(text: string): Promise<void>;
}

async function stage(scope: Scope, options: Partial<UserspaceOptions> = {}): Promise<Stage> {
  const events = new Mailbox<EngineEvent>('events', (event) => JSON.stringify(event));
  const engine = await createUserspaceEngine({ onEvent: (event) => events.push(event), workers: 2, ...options });
  scope.defer(() => engine.close('remove'));
  await engine.apply({ steps: [], next: { directors: [DIRECTOR] } });
  await openSocket(scope, { ...SERVER, tag: 'one' });
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => openSocket(scope, { ip: local(99) })));
  const everyoneIsAnswered = async (text: string): Promise<void> => {
    for (const client of clients) await client.send(text, VIP);
    for (const client of clients) await client.inbox.take((got) => got.text === `one:${text}`);
  };
  await everyoneIsAnswered('before');
  return { engine, events, everyoneIsAnswered };
}

test('its sockets are closed, its place is taken, every client is answered again, and no counter goes back', { timeout: 60_000 }, () => withScope(async (scope) => {
  const { engine, events, everyoneIsAnswered } = await stage(scope);
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

const HEAP_MB = 64;
/** What V8 keeps beside the old generation of a heap, what it allows a heap that is full to end with, and what the test itself leaves behind. */
const BESIDE_MIB = 150;

/** Has a packet thread evaluate something, as a debugger does: it never returns to an event loop that a message could reach. */
function inPacketThread(scope: Scope, expression: string): void {
  const session = new Session();
  session.connect();
  scope.defer(() => session.disconnect());
  session.once('NodeWorker.attachedToWorker', ({ params: { sessionId } }) => {
    session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }) });
  });
  session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
}

test('one whose heap is full ends alone: the process lives, held no more than that heap, and every client is answered again', { timeout: 60_000 }, (t) => withScope(async (scope) => {
  const { engine, events, everyoneIsAnswered } = await stage(scope, { workerHeapMb: HEAP_MB });
  const before = await residentMib(process.pid);
  const peak = await watchPeak(process.pid);
  inPacketThread(scope, 'const kept = []; for (;;) kept.push(Array.from({ length: 1000 }, () => ({})));');
  const fault = await events.take(({ kind }) => kind === 'fault');
  assert.ok(fault.kind === 'fault' && fault.recovered && /packet worker \d died .*memory.*; started again, its sessions were lost/.test(fault.detail), JSON.stringify(fault));
  await everyoneIsAnswered('after');
  assert.equal((await engine.read()).directors[0]?.sessions, CLIENTS);
  const most = await peak() - before;
  t.diagnostic(`at most ${Math.round(most)} MiB more than before, ${Math.round(await residentMib(process.pid) - before)} afterwards`);
  assert.ok(most < HEAP_MB + BESIDE_MIB, `${most} MiB`);
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
