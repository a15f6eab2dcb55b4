/** Bulk of one client, both ways: iperf3 -u with datagrams of 1200 bytes (QUIC's size). Its control connection is TCP and goes round weir. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { local } from '../fixtures/loopback.ts';
import { needs } from '../fixtures/needs.ts';
import { finish, start } from '../fixtures/process.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';

const PORT = 5201;
const VIP = local(1);
const SERVER = local(31);
const SIZE = 1200;
/** What iperf3 says first on each UDP stream, and what it is answered. */
const HELLO = 4;
const TRIES = 4;

/** iperf3 uses one port for TCP and UDP: what comes to the VIP by TCP is handed on as it is. */
async function forwardTcp(scope: Scope): Promise<void> {
  const open = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const onward = net.connect(PORT, SERVER);
    for (const socket of [client, onward]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket));
    }
    client.pipe(onward).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(PORT, VIP, resolve));
  scope.defer(() => new Promise((resolve) => {
    for (const socket of open) socket.destroy();
    server.close(() => resolve());
  }));
}

interface Outcome {
  readonly sent: number;
  readonly packets: number;
  readonly lost: number;
  readonly receivedBytes: number;
  readonly outOfOrder: number;
}

/** Runs one transfer at 50 Mbit/s. */
async function transfer(scope: Scope, seconds: number, ...args: readonly string[]): Promise<Outcome> {
  const done = await finish(scope, ['iperf3', '--client', VIP, '--port', String(PORT), '--udp', '--bitrate', '50M', '--length', String(SIZE), '--time', String(seconds), '--json', ...args]);
  assert.equal(done.code, 0, done.output);
  const { end } = JSON.parse(done.output) as { end: { sum: { packets: number; lost_packets: number }; sum_sent: { packets: number }; sum_received: { bytes: number }; streams: { udp: { out_of_order: number } }[] } };
  return { sent: end.sum_sent.packets, packets: end.sum.packets, lost: end.sum.lost_packets, receivedBytes: end.sum_received.bytes, outOfOrder: end.streams[0].udp.out_of_order };
}

test('iperf3 sends 50 Mbit/s in datagrams of 1200 bytes each way with under 1 % loss, in order, sizes intact', needs('iperf3'), (t) => withScope(async (scope) => {
  const server = await start(scope, ['iperf3', '--server', '--bind', SERVER, '--port', String(PORT), '--forceflush']);
  await server.match(/Server listening/);
  await forwardTcp(scope);
  const weir = await startWeir(scope, { conf: `director bulk ${VIP}:${PORT} UDP\n    server one ${SERVER}:${PORT}\n` });
  // The first second finds code that nobody has compiled yet.
  await transfer(scope, 1);
  let runs = 1;
  const passed = async (): Promise<{ readonly in: number; readonly out: number }> => {
    const { directors: [director] } = await weir.counted();
    return { in: director?.packetsIn ?? 0, out: director?.packetsOut ?? 0 };
  };
  for (const [direction, ...args] of [['to the server'], ['to the client', '--reverse']] as const) {
    // iperf3's own receive buffer holds 18 ms at this rate: where others hold up the machine for longer it loses what weir gave it. So what weir
    // hands on counts each time, and what arrives in the best of four tries.
    let best: Outcome | null = null;
    for (let tries = 0; tries < TRIES && (best === null || best.lost >= best.packets / 100); tries++) {
      runs++;
      const earlier = await passed();
      const outcome = await transfer(scope, 5, ...args);
      const later = await passed();
      const handedOn = args.length === 0 ? later.in - earlier.in : later.out - earlier.out;
      assert.ok(handedOn > 0.99 * outcome.sent, `${direction}: ${outcome.sent} sent, ${handedOn} handed on by weir`);
      t.diagnostic(`${direction}: ${outcome.packets} datagrams, ${outcome.lost} lost, ${outcome.outOfOrder} out of order`);
      if (best === null || outcome.lost < best.lost) best = outcome;
    }
    assert.ok(best !== null && best.packets > 20_000, `${direction}: ${best?.packets} datagrams`);
    assert.ok(best.lost < best.packets / 100, `${direction}: ${best.lost} of ${best.packets} lost`);
    assert.equal(best.outOfOrder, 0, direction);
    assert.ok(best.receivedBytes > 0.98 * best.packets * SIZE && best.receivedBytes % SIZE === 0, `${direction}: ${best.receivedBytes} bytes arrived in whole datagrams`);
  }
  const [director] = (await weir.counted()).directors;
  assert.ok(director);
  const { packetsIn, bytesIn, packetsOut, bytesOut } = director;
  assert.deepEqual([bytesIn, bytesOut], [(packetsIn - runs) * SIZE + runs * HELLO, (packetsOut - runs) * SIZE + runs * HELLO], 'datagrams keep their boundaries inside weir');
  const [one] = director.servers;
  assert.deepEqual([one?.packetsIn, one?.packetsOut], [packetsIn, packetsOut], 'weir hands on all that it takes');
  const { receive_overflow: overflow = 0, ...otherDrops } = director.drops;
  assert.deepEqual(Object.entries(otherDrops).filter(([, count]) => count > 0), []);
  assert.ok(overflow < packetsIn / 100, `${overflow} of ${packetsIn} came faster than they were read`);
}));
