/** The kernel refuses to send: a filter (EPERM), a full queue (ENOBUFS), an interface that is down, a VIP that is elsewhere. Each is counted by its name and said, nothing dies of it, and traffic comes back by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusView } from '../../src/client/types.ts';
import { until } from '../contract/mailbox.ts';
import { testNamespaces, type Network } from '../fixtures/network.ts';
import { needs } from '../fixtures/needs.ts';
import { withScope } from '../fixtures/scope.ts';
import { more } from '../fixtures/steady-load.ts';
import { makeSite, serverLines, VIP } from '../fixtures/two-arms.ts';

const CONF = `director echo ${VIP.ip}:${VIP.port} UDP\n    balance roundrobin\n${serverLines()}`;

interface Row {
  readonly what: string;
  readonly break: (network: Network) => void;
  readonly mend: (network: Network) => void;
  /** The counter that must grow; null: nothing is sent that could fail. */
  readonly reason: string | null;
  /** What the status says of it; null: from here it looks like clients that are silent. */
  readonly says: RegExp | null;
}

const nft = (network: Network, text: string): void => void network.run('balancer', 'nft', text);
const ip = (network: Network, words: string): void => void network.run('balancer', 'ip', ...words.split(' '));

const ROWS: readonly Row[] = [
  {
    what: 'a filter refuses what goes to the servers (EPERM)', reason: 'unreachable', says: /director echo dropped \d+ datagrams within 20 s \(unreachable\): the kernel has no way to the destination .*EPERM.*; .*nft list ruleset/,
    break: (network) => nft(network, 'table ip fault { chain out { type filter hook output priority 0; ip daddr 198.51.100.0/24 udp dport 5301 drop; }; }'),
    mend: (network) => nft(network, 'delete table ip fault'),
  },
  {
    what: 'a filter refuses the answers to clients (EPERM)', reason: 'unreachable', says: /director echo dropped \d+ datagrams within 20 s \(unreachable\)/,
    break: (network) => nft(network, 'table ip fault { chain out { type filter hook output priority 0; udp sport 5300 drop; }; }'),
    mend: (network) => nft(network, 'delete table ip fault'),
  },
  {
    what: 'the queue of the interface is full (ENOBUFS)', reason: 'send_full', says: /director echo dropped \d+ datagrams within 20 s \(send_full\): the kernel had no buffer for the datagram \(ENOBUFS, EAGAIN\); .*tc -s qdisc/,
    // One datagram fits, and 8 kbit/s of them leave.
    break: (network) => void network.run('balancer', 'tc', 'qdisc', 'add', 'dev', 'eth1', 'root', 'tbf', 'rate', '8kbit', 'burst', '100', 'limit', '100'),
    mend: (network) => void network.run('balancer', 'tc', 'qdisc', 'del', 'dev', 'eth1', 'root'),
  },
  {
    what: 'the interface to the servers goes down and up (ENETUNREACH)', reason: 'unreachable', says: /director echo dropped \d+ datagrams within 20 s \(unreachable\): .*ENETUNREACH/,
    break: (network) => ip(network, 'link set eth1 down'),
    mend: (network) => ip(network, 'link set eth1 up'),
  },
  {
    what: 'the interface to the clients goes down and up', reason: null, says: null,
    break: (network) => ip(network, 'link set eth0 down'),
    mend: (network) => ip(network, 'link set eth0 up'),
  },
  {
    what: 'the VIP is moved away and back', reason: null, says: /the address 192\.0\.2\.3 of director 'echo' is on no interface of this host; add it/,
    break: (network) => ip(network, 'address del 192.0.2.3/24 dev eth0'),
    mend: (network) => ip(network, 'address add 192.0.2.3/24 dev eth0'),
  },
];

const warningsOf = ({ warnings }: StatusView): string => warnings.map(({ message, hint }) => `${message}; ${hint ?? ''}`).join('\n');
const dropsOf = ({ directors: [echo] }: StatusView, reason: string): number => echo?.drops[reason] ?? 0;
/** Of those rows that count nothing: the load must have missed so many answers before it is mended. 10 clients send 1000 datagrams a second. */
const MISSED = 300;
/** A link that came up is waited for by nobody: ARP asks once a second (Linux, net.ipv4.neigh.*.retrans_time_ms). */
const BACK_MS = 5000;

test('what the kernel will not send is counted by its reason and said, and traffic comes back by itself with every session where it was', needs('ip', 'nft', 'tc'), (t) => withScope(async (scope) => {
  const { network, weir, load: startLoad } = await makeSite(scope, CONF);
  const load = await startLoad();
  await more(load, 200);
  const where = async (): Promise<readonly string[]> => (await weir.client.sessions({ limit: 1000 })).sessions.map(({ client, server }) => `${client} ${server}`).toSorted();
  const sessions = await where();
  assert.equal(sessions.length, 10);
  for (const row of ROWS) {
    const before = await weir.counted();
    row.break(network);
    if (row.reason === null) await still(() => load.answered());
    const status = await until(`${row.what}: counted and said`, () => weir.client.status(), (now) => (row.reason === null || dropsOf(now, row.reason) > dropsOf(before, row.reason) + 20) && (row.says === null || row.says.test(warningsOf(now))));
    assert.deepEqual(status.directors[0]!.servers.map(({ state }) => state), ['unknown', 'unknown'], 'it is not the servers\' fault');
    row.mend(network);
    const mendedAt = performance.now();
    await more(load, 300, BACK_MS);
    t.diagnostic(`${row.what}: 300 answers ${Math.round(performance.now() - mendedAt)} ms after it was mended`);
    assert.deepEqual(await where(), sessions, `${row.what}: sessions stay where they were`);
  }
  await weir.client.edit({ layer4: `${CONF}# changed\n` });
  await weir.client.apply();
  const { sent, lost, twice, moved } = await load.stop();
  const { directors: [echo] } = await weir.counted();
  t.diagnostic(`${sent} datagrams, ${lost} lost to faults, ${JSON.stringify(echo!.drops)}`);
  assert.deepEqual({ twice, moved }, { twice: 0, moved: [] });
  const drops = Object.values(echo!.drops).reduce((sum, n) => sum + n, 0);
  // What reached weir and went nowhere is counted; what never arrived (its own interface or its VIP was away) is not weir's to count.
  assert.ok(drops > 0 && echo!.packetsIn - drops <= sent);
}));

/** Resolves when nothing has been answered for as long as MISSED datagrams take. */
async function still(answered: () => number): Promise<void> {
  let [seen, since] = [answered(), performance.now()];
  await until('nothing is answered', async () => {
    if (answered() > seen) [seen, since] = [answered(), performance.now()];
    return performance.now() - since;
  }, (ms) => ms > MISSED);
}

test('no namespace is left', needs('ip'), () => assert.deepEqual(testNamespaces(), []));
