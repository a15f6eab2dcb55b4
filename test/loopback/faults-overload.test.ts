/** Ten times what the engine carries: the control plane answers, no server is put out for the balancer's own want, every lost datagram is counted, and all is well as soon as it ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { openPackets } from '../fixtures/packets.ts';
import { residentMib } from '../fixtures/resident.ts';
import { withScope } from '../fixtures/scope.ts';
import { more, startLoad } from '../fixtures/steady-load.ts';
import { startWeir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5300 };
const FLOODED = { ip: local(2), port: 5300 };
const BLAST_MS = 3000;
const TIMES = 10;
/** The bound of an answer of the API, while both cores of a small machine are taken. */
const ANSWER_MS = 1500;
/** Sessions, buffers of sockets and the heap of the API: what a flood of datagrams may add. */
const MEMORY_MIB = 96;

const CONF = `director steady ${VIP.ip}:${VIP.port} UDP
    check interval 200ms timeout 150ms rise 1 fall 2
    option udpcheck send "ping" expect "ping"
    server one ${local(11)}:5301 check
director flooded ${FLOODED.ip}:${FLOODED.port} UDP
    check interval 200ms timeout 150ms rise 1 fall 2 port 5302
    option udpcheck send "ping" expect "ping"
    server sink ${local(12)}:5301 check
`;

test('under ten times its load weir answers, keeps its servers, counts each datagram it lost, and recovers at once', { timeout: 60_000 }, (t) => withScope(async (scope) => {
  await openSocket(scope, { ip: local(11), port: 5301, tag: 'one' });
  // The server that is flooded too is not read, and is asked for its health by another port: what is lost there is not weir's.
  await openSocket(scope, { ip: local(12), port: 5302, tag: 'sink' });
  // Two, because the engine of a small machine has half a core and the other half sends: more than one core's worth must come.
  const senders = await Promise.all([openPackets(scope), openPackets(scope)]);
  await senders[0].sink({ to: local(12), port: 5301 });
  const weir = await startWeir(scope, { conf: CONF, args: ['--workers', '1'] });
  await until('both servers are up', () => weir.client.servers(), (all) => all.every(({ state }) => state === 'up'));
  const load = await startLoad(scope, { ip: local(30), port: 6000, clients: 10, everyMs: 10, vip: VIP });
  await more(load, 200);
  const before = await residentMib(weir.process.pid);

  const answers: number[] = [];
  let over = false;
  const blast = Promise.all(senders.map((one) => one.blast({ to: FLOODED.ip, port: FLOODED.port, ms: BLAST_MS }))).finally(() => { over = true; });
  while (!over) {
    const from = performance.now();
    await Promise.all([weir.client.status(), weir.client.sessions(), weir.client.metrics()]);
    answers.push(performance.now() - from);
  }
  const sent = (await blast).reduce((sum, n) => sum + n, 0);
  const overAt = performance.now();
  await more(load, 50);
  const recoveredMs = performance.now() - overAt;

  const status = await until('what was in the buffers is worked off', () => weir.counted(), ({ directors: [, flooded] }) => flooded!.packetsIn + (flooded!.drops['receive_overflow'] ?? 0) === sent);
  const flooded = status.directors[1]!;
  const lost = Object.values(flooded.drops).reduce((sum, n) => sum + n, 0);
  const after = await residentMib(weir.process.pid);
  t.diagnostic(`${sent} datagrams in ${BLAST_MS} ms, ${flooded.packetsIn} carried (${(sent / flooded.packetsIn).toFixed(1)} times), ${answers.length} answers of at most ${Math.round(Math.max(...answers))} ms, recovered after ${Math.round(recoveredMs)} ms, ${Math.round(after - before)} MiB more`);
  assert.ok(sent >= TIMES * flooded.packetsIn, `${sent} datagrams are not ${TIMES} times ${flooded.packetsIn}`);
  assert.equal(sent, lost + flooded.servers[0]!.packetsIn, 'each datagram was sent on or is counted by name');
  assert.ok(Math.max(...answers) < ANSWER_MS, `answers of the API after ${answers.map(Math.round).join(' ')} ms`);
  assert.deepEqual((await weir.client.events()).filter(({ kind }) => kind === 'server-down').map(({ text }) => text), []);
  assert.ok(recoveredMs < 1000, `${recoveredMs} ms`);
  assert.ok(after - before < MEMORY_MIB, `${after - before} MiB`);
  assert.match((await weir.cli('status')).output, /warning: director flooded dropped \d+ datagrams within 20 s \(receive_overflow\)/);
  // Another director's listener has a buffer of its own, and its turn in each round.
  const { sent: steady, lost: steadyLost, moved } = await load.stop();
  assert.deepEqual({ steadyLost, moved }, { steadyLost: 0, moved: [] }, `of ${steady} datagrams of the other director`);
}));
