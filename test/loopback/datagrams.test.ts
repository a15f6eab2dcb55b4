/** Datagrams of any content and size, in any order and burst, through the userspace engine: each comes back whole, to whoever sent it, once. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { test } from 'node:test';
import fc from 'fast-check';
import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import { director, server as lineOf } from '../contract/make.ts';
import { parseIp } from '../../src/net/ip.ts';
import { Mailbox } from '../contract/mailbox.ts';
import { local } from '../fixtures/loopback.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { holds } from '../fuzz/holds.ts';

const FOR_MS = 3_000;
/** Less than the property runs for, so that a datagram that is missed is named. */
const ANSWER_MS = 2_000;
const CLIENTS = 3;
/** What sockets without privileges hold for certain, twice over. */
const BURST_BYTES = 90_000;
const VIP = { ip: parseIp(local(1))!, port: 5300 };
const SERVERS = ['a', 'b'] as const;

interface Sent {
  readonly client: number;
  readonly size: number;
  readonly fill: number;
}

/** Runs of one size are what the engine joins into one send (UDP GSO) and the kernel into one receive (GRO). */
const burst: fc.Arbitrary<readonly Sent[]> = fc.array(fc.record({
  client: fc.nat({ max: CLIENTS - 1 }),
  size: fc.oneof(fc.constantFrom(0, 1, 1472, 1473, 8972, 65_507), fc.nat({ max: 3_000 }), fc.nat({ max: 65_507 })),
  fill: fc.nat({ max: 255 }),
  times: fc.oneof({ arbitrary: fc.constant(1), weight: 2 }, { arbitrary: fc.integer({ min: 2, max: 30 }), weight: 1 }),
}), { minLength: 1, maxLength: 12 }).map((runs) => {
  let bytes = 0;
  // A small datagram takes a kilobyte of a socket's buffer too.
  return runs.flatMap(({ times, ...sent }) => Array.from({ length: times }, () => sent)).filter(({ size }) => (bytes += size + 1024) <= BURST_BYTES);
});

test('each comes back whole, to whoever sent it, once', { timeout: 60_000 }, (t) => withScope(async (scope) => {
  const engine = await createUserspaceEngine({ onEvent: () => undefined, workers: 2 });
  scope.defer(() => engine.close('remove'));
  const lines = await Promise.all(SERVERS.map(async (name, n) => {
    const socket = await open(scope, local(11 + n), 5301, (data, from) => socket.send(data, from.port, from.address));
    return lineOf(name, { ip: parseIp(local(11 + n))!, port: 5301 });
  }));
  await engine.apply({ steps: [], next: { directors: [director(VIP, lines)] } });
  const clients = await Promise.all(Array.from({ length: CLIENTS }, async (_, n) => {
    const inbox = new Mailbox<Buffer>(`client ${n}`, (data) => `${data.length} bytes`);
    const socket = await open(scope, local(30 + n), 6000, (data) => inbox.push(data));
    return { inbox, socket };
  }));
  let number = 0;
  const runs = await holds('userspace: any datagrams', fc.asyncProperty(burst, async (sent) => {
    const payloads = sent.map(({ client, size, fill }) => ({ client, data: Buffer.alloc(size, fill).fill(`${++number}:`.slice(0, size), 0, Math.min(size, 8)) }));
    await Promise.all(payloads.map(({ client, data }) => new Promise<void>((resolve, reject) => clients[client].socket.send(data, VIP.port, VIP.ip.text, (error) => (error === null ? resolve() : reject(error))))));
    for (const { client, data } of payloads) await clients[client].inbox.take((got) => got.equals(data), ANSWER_MS);
    for (const { inbox } of clients) assert.deepEqual(inbox.drain(), []);
  }), { forMs: FOR_MS, shrink: false });
  t.diagnostic(`${runs} bursts, ${number} datagrams`);
}));

async function open(scope: Scope, ip: string, port: number, onMessage: (data: Buffer, from: dgram.RemoteInfo) => void): Promise<dgram.Socket> {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.on('message', onMessage);
  socket.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: ip, port, exclusive: true }, resolve);
  });
  scope.defer(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  return socket;
}
