/** `service network eth0` on a real interface: 192.0.2.0/24 and 2001:db8::/64 towards a neighbour that does nothing. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { networkSettings, type NetworkSettings } from '../../src/config/network.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { memoryLedger, type Ledger } from '../../src/services/ledger.ts';
import { networkPart, observeNetwork } from '../../src/services/network.ts';
import { cable, makeHost, missing, type Host } from './hosts.ts';

const options = { skip: (await missing(['ip', 'sysctl'])) ?? false, timeout: 30_000 };

async function interfaceOf(context: TestContext): Promise<Host> {
  const [host, other] = [await makeHost(context, 'host'), await makeHost(context, 'other')];
  await cable(host, 'eth0', other, 'eth0');
  return host;
}

function settings(lines: string): NetworkSettings {
  const { config, issues } = parseConfig([{ file: 'services.conf', document: 'services', text: `service network eth0\n${lines.replace(/^/gm, '  ')}\n` }]);
  const [section] = config?.services ?? [];
  assert.ok(section, JSON.stringify(issues));
  return networkSettings(section);
}

function partOf(host: Host, ledger: Ledger, wanted: () => NetworkSettings | null): ReturnType<typeof networkPart> {
  return networkPart({ iface: 'eth0', settings: wanted, run: host.run, ledger });
}

/** Addresses and routes without what the kernel gives each interface. */
async function seen(host: Host): Promise<readonly string[]> {
  const { addresses, routes } = await observeNetwork(host.run, 'eth0');
  return [...addresses.filter((address) => !address.startsWith('fe80:')), ...routes].toSorted();
}

const FULL = `ip address 192.0.2.1/24
ip address 192.0.2.2/24
ip address 2001:db8::1/64
ip route default 192.0.2.254
ip route 198.51.100.0/24 192.0.2.253
ip route 203.0.113.0/24 192.0.2.253 table 100
ip route default 2001:db8::fe`;
const ALL = ['0.0.0.0/0 via 192.0.2.254', '192.0.2.1/24', '192.0.2.2/24', '198.51.100.0/24 via 192.0.2.253', '2001:db8::1/64', '203.0.113.0/24 via 192.0.2.253 table 100', '::/0 via 2001:db8::fe'];

test('start adds what is configured, a second start nothing, stop takes it away', options, async (context) => {
  const host = await interfaceOf(context);
  const calls: string[] = [];
  const part = networkPart({ iface: 'eth0', settings: () => settings(FULL), ledger: memoryLedger(), run: (argv, o) => (calls.push(argv.join(' ')), host.run(argv, o)) });
  await part.start();
  assert.deepEqual(await seen(host), ALL.toSorted());
  calls.length = 0;
  await part.start();
  assert.deepEqual(calls.filter((call) => / (add|del|set) | -qw /.test(call)), []);
  await part.stop();
  assert.deepEqual(await seen(host), []);
});

test('what others put there stays: the same address, an address of the same network, a route', options, async (context) => {
  const host = await interfaceOf(context);
  await host.ip('address add 192.0.2.2/24 dev eth0');
  await host.ip('route add 198.51.100.0/24 via 192.0.2.253');
  const ledger = memoryLedger();
  const part = partOf(host, ledger, () => settings(FULL));
  await part.start();
  await host.ip('address add 192.0.2.77/24 dev eth0');
  await part.stop();
  assert.deepEqual(await seen(host), ['192.0.2.2/24', '192.0.2.77/24', '198.51.100.0/24 via 192.0.2.253']);
  assert.deepEqual(ledger.read().interfaces, {});
});

test('the first address of a network goes and those of others stay', options, async (context) => {
  const host = await interfaceOf(context);
  const part = partOf(host, memoryLedger(), () => settings('ip address 192.0.2.1/24'));
  await part.start();
  await host.ip('address add 192.0.2.77/24 dev eth0');
  await part.stop();
  assert.deepEqual(await seen(host), ['192.0.2.77/24']);
  assert.equal((await host.run(['sysctl', '-n', 'net/ipv4/conf/eth0/promote_secondaries'])).stdout.trim(), '0', 'the switch is what it was');
});

test('restart changes only what the section changed, and says when it is behind', options, async (context) => {
  const host = await interfaceOf(context);
  let wanted: NetworkSettings | null = settings(FULL);
  const ledger = memoryLedger();
  const part = partOf(host, ledger, () => wanted);
  await part.start();
  wanted = settings(FULL.replace('192.0.2.2/24', '192.0.2.3/24').replace('198.51.100.0/24 192.0.2.253', '198.51.100.0/24 192.0.2.252'));
  assert.equal(part.behind(), true);
  await part.restart?.();
  assert.equal(part.behind(), false);
  const expected = ALL.map((item) => item.replace('192.0.2.2/24', '192.0.2.3/24').replace('198.51.100.0/24 via 192.0.2.253', '198.51.100.0/24 via 192.0.2.252'));
  assert.deepEqual(await seen(host), expected.toSorted());
  // Another run of weir knows from the ledger what is its own.
  wanted = null;
  await partOf(host, ledger, () => null).stop();
  assert.deepEqual(await seen(host), []);
});

test('a start that fails half-way leaves nothing behind and says the cure', options, async (context) => {
  const host = await interfaceOf(context);
  const ledger = memoryLedger();
  const part = partOf(host, ledger, () => settings('ip address 192.0.2.1/24\nip route 198.51.100.0/24 203.0.113.1'));
  await assert.rejects(part.start(), { cure: /gateway must be in a network/ });
  assert.deepEqual([await seen(host), ledger.read().interfaces], [[], {}]);
  await assert.rejects(networkPart({ iface: 'eth7', settings: () => settings('ip address 192.0.2.1/24'), run: host.run, ledger }).start(), { cure: /there is no interface eth7/ });
});
