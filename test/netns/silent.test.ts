/**
 * A DNS server that falls silent: no answer, no ICMP, nothing to see but the checks.
 *
 *   client 192.0.2.9   balancer 192.0.2.2, VIP 192.0.2.3   front 192.0.2.0/24
 *   balancer 198.51.100.2   servers 198.51.100.21 and .22  back 198.51.100.0/24
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { startDnsmasq, startDnsperf, WHO } from '../fixtures/dns.ts';
import { makeNetwork, testNamespaces, type HostPlan } from '../fixtures/network.ts';
import { needs } from '../fixtures/needs.ts';
import { withScope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';
import type { ServerView } from '../../src/client/types.ts';

const HOSTS: readonly HostPlan[] = [
  { name: 'client', ports: [{ device: 'eth0', lan: 'front', addresses: ['192.0.2.9/24'] }] },
  { name: 'balancer', ports: [{ device: 'eth0', lan: 'front', addresses: ['192.0.2.2/24', '192.0.2.3/24'] }, { device: 'eth1', lan: 'back', addresses: ['198.51.100.2/24'] }] },
  { name: 'one', ports: [{ device: 'eth0', lan: 'back', addresses: ['198.51.100.21/24'] }] },
  { name: 'two', ports: [{ device: 'eth0', lan: 'back', addresses: ['198.51.100.22/24'] }] },
];

const PER_SECOND = 1000;
const INTERVAL_MS = 1000;
const FALL = 2;
const TIMEOUT_MS = 500;
/** The last good check may be just over; then `fall` checks fail, an interval apart, the last one by its time-out. */
const DETECTION_MS = FALL * INTERVAL_MS + TIMEOUT_MS;
/** How late a loaded machine may run a timer, or the round of the daemon that tells the engine. */
const SLACK_MS = 500;

const conf = (balance: string): string => `director dns 192.0.2.3:53 UDP
    balance ${balance}
    session request-reply
    check interval ${INTERVAL_MS}ms timeout ${TIMEOUT_MS}ms rise 2 fall ${FALL}
    option dnscheck name ${WHO} type TXT
    server one 198.51.100.21:53 check
    server two 198.51.100.22:53 check
`;

/** The most queries a silent server may cost. */
const CASES = [
  // Every second query goes there until the checks have failed.
  { balance: 'roundrobin', lostMax: ((DETECTION_MS + SLACK_MS) / 1000) * (PER_SECOND / 2), loses: (lost: number) => lost > PER_SECOND / 4 },
  // Least outstanding: queries nobody answers keep counting, so few go there before the checks have failed.
  { balance: 'leastconn', lostMax: PER_SECOND / 5, loses: (lost: number) => lost > 0 },
] as const;

for (const { balance, lostMax, loses } of CASES) {
  test(`${balance}: a server that falls silent costs no more than what is sent until its checks have failed, and shares again when it speaks`, needs('ip', 'nft', 'dnsmasq', 'dnsperf'), (t) => withScope(async (scope) => {
    const network = makeNetwork(scope, HOSTS);
    await startDnsmasq(scope, { name: 'one', ip: '198.51.100.21', port: 53, prefix: network.on('one') });
    await startDnsmasq(scope, { name: 'two', ip: '198.51.100.22', port: 53, prefix: network.on('two') });
    const weir = await startWeir(scope, { prefix: network.on('balancer'), conf: conf(balance) });
    const servers = async (): Promise<readonly [ServerView, ServerView]> => {
      const [one, two] = await weir.client.servers();
      assert.ok(one?.name === 'one' && two?.name === 'two');
      return [one, two];
    };
    await until('both servers up', servers, (both) => both.every(({ state }) => state === 'up'));
    const dnsperf = await startDnsperf(scope, { ip: '192.0.2.3', port: 53, perSecond: PER_SECOND, seconds: 10, timeoutS: 3, prefix: network.on('client') });
    await until('both servers busy', servers, (both) => both.every(({ packetsOut }) => packetsOut > 300));

    network.run('one', 'nft', 'table ip silence { chain in { type filter hook input priority 0; udp dport 53 drop; }; }');
    const silentAt = Date.now();
    const [down] = await until('one is down', servers, ([one]) => one.state === 'down');
    assert.match(down.reason, /no answer/);
    const detectedMs = down.sinceMs - silentAt;
    const growth = (from: ServerView, by: number) => ([, two]: readonly [ServerView, ServerView]): boolean => two.packetsOut > from.packetsOut + by;
    // The state is told before the engine is: a few datagrams of the other server are time enough for that.
    const [told, alone] = await until('two serves alone', servers, growth((await servers())[1], (SLACK_MS / 1000) * PER_SECOND));
    const [stillDown] = await until('two serves alone for longer', servers, growth(alone, PER_SECOND));
    assert.equal(stillDown.packetsIn, told.packetsIn, 'nothing is sent to the silent server once it is down');

    network.run('one', 'nft', 'delete table ip silence');
    const again = await until('one is up again', servers, ([one]) => one.state === 'up');
    await until('both share again', servers, (both) => both.every(({ packetsOut }, i) => packetsOut > again[i].packetsOut + 200));

    const result = await dnsperf.result();
    const [one, two] = (await weir.counted()).directors[0].servers as [ServerView, ServerView];
    t.diagnostic(`${result.sent} sent, ${result.lost} lost, down after ${detectedMs} ms`);
    assert.ok(detectedMs <= DETECTION_MS + SLACK_MS, `down after ${detectedMs} ms`);
    assert.ok(result.sent > PER_SECOND * 8, `dnsperf kept its rate: ${JSON.stringify(result)}`);
    assert.ok(loses(result.lost), `the server was silent and only ${result.lost} were lost: is the test blind?`);
    assert.ok(result.lost <= lostMax, `lost ${result.lost}, at most ${lostMax}`);
    assert.equal(two.packetsIn, two.packetsOut, 'the other server answered every query it got');
    assert.equal(one.packetsIn - one.packetsOut, result.lost, 'what was lost is what the silent server got');
    assert.equal(one.packetsIn + two.packetsIn, result.sent, 'each query was sent to one server once');
  }));
}

test('no namespace is left', needs('ip'), () => assert.deepEqual(testNamespaces(), []));
