/** A flood of new sessions, each from an address of its own: the cap holds, what was established keeps its server, memory is bounded, and new clients are taken as soon as it is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { testNamespaces } from '../fixtures/network.ts';
import { needs } from '../fixtures/needs.ts';
import { openPackets } from '../fixtures/packets.ts';
import { openHost } from '../fixtures/host.ts';
import { residentMib } from '../fixtures/resident.ts';
import { withScope } from '../fixtures/scope.ts';
import { more } from '../fixtures/steady-load.ts';
import { CLIENT, makeSite, serverLines, VIP } from '../fixtures/two-arms.ts';
import { parseIp } from '../../src/net/ip.ts';

const MAX = 1000;
const FLOOD = 20_000;
const PER_MS = 20;
const IDLE_S = 2;
/** 1000 sessions are 140 kB, their sockets 500; the rest is what the API's own answers and JSON of ten seconds leave behind. */
const MEMORY_MIB = 64;
/** Sessions that end leave room a share of a second later. */
const BACK_MS = IDLE_S * 1000 + 5000;

const CONF = `director echo ${VIP.ip}:${VIP.port} UDP
    balance leastconn
    session two-way timeout ${IDLE_S}s max ${MAX}
${serverLines()}`;

test('a flood of new sessions from spoofed sources stops at the cap and is counted; established flows lose nothing', needs('ip'), (t) => withScope(async (scope) => {
  const { network, weir, load: startLoad } = await makeSite(scope, CONF);
  // Answers to sources that do not exist leave as all others do, and nobody takes them.
  network.run('balancer', 'ip', 'route', 'add', '203.0.0.0/16', 'via', CLIENT);
  const attacker = await openPackets(scope, network.on('client'));
  const load = await startLoad();
  await more(load, 200);
  const before = await residentMib(weir.process.pid);
  const seen: number[] = [];
  let over = false;
  const flood = attacker.flood({ from: '203.0.0.1', to: VIP.ip, port: VIP.port, count: FLOOD, perMs: PER_MS }).finally(() => { over = true; });
  while (!over) seen.push((await weir.client.status()).directors[0]!.sessions);
  assert.equal(await flood, FLOOD);
  await more(load, 200);
  const status = await weir.counted();
  const [echo] = status.directors;
  const after = await residentMib(weir.process.pid);
  t.diagnostic(`${FLOOD} sources, ${echo!.sessionsCreated} sessions made, ${seen.length} looks at most ${Math.max(...seen)} at once, ${JSON.stringify(echo!.drops)}, ${Math.round(after - before)} MiB more`);
  // One more while it is being refused.
  assert.ok(Math.max(...seen) >= MAX && Math.max(...seen) <= MAX + 1, `the most sessions seen at once: ${Math.max(...seen)}`);
  assert.ok((echo!.drops['session_max'] ?? 0) > FLOOD / 2, 'what was refused was counted by name');
  assert.ok(after - before < MEMORY_MIB, `${after - before} MiB`);
  assert.match((await weir.cli('status')).output, /warning: director echo dropped \d+ datagrams within 20 s \(session_max\): the director's `session max` is reached/);
  const stranger = await (await openHost(scope, network.on('client'))).open({ ip: CLIENT });
  let asked = 0;
  await until('a new client is served', async () => {
    asked++;
    await stranger.send('hello', { ip: parseIp(VIP.ip)!, port: VIP.port });
    return stranger.inbox.all.length;
  }, (answers) => answers > 0, BACK_MS);
  const { sent, ...lost } = await load.stop();
  assert.deepEqual(lost, { lost: 0, twice: 0, moved: [] }, `of ${sent} datagrams of established flows`);
  const { packetsIn, drops, servers } = (await weir.counted()).directors[0]!;
  const { receive_overflow: unread = 0, ...refused } = drops;
  assert.equal(packetsIn + unread, FLOOD + sent + asked, 'each datagram is counted');
  assert.equal(packetsIn, servers.reduce((sum, server) => sum + server.packetsIn, 0) + Object.values(refused).reduce((sum, n) => sum + n, 0), 'and was sent on or refused by name');
}));

test('no namespace is left', needs('ip'), () => assert.deepEqual(testNamespaces(), []));
