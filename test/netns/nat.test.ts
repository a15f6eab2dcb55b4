/**
 * NAT rules of a configuration in a real kernel. Documentation addresses:
 *
 *   two arms   client 192.0.2.10 —— eth0 192.0.2.1 [lb] 198.51.100.1 eth1 —— server 198.51.100.20 (of 192.0.2.0/24 it knows the way to 192.0.2.1 alone)
 *   one arm    client 192.0.2.10 ——+—— eth0 192.0.2.1 [lb]
 *                                  +—— server 192.0.2.20 (a bridge in a fourth namespace)
 *   IPv6       2001:db8:1::/64 towards the client, 2001:db8:2::/64 towards the server
 *
 * ip_vs is not in every kernel, so what balances here is a table of another owner that sends the VIP to the server: to conntrack, and
 * so to NAT rules, it looks the same. test/lvs shows the same with ip_vs.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Config } from '../../src/config/model.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { ipFromBytes } from '../../src/net/ip.ts';
import { networkOf } from '../../src/net/cidr.ts';
import { compileRules } from '../../src/nat/compile.ts';
import { createNatTable, type NatTable } from '../../src/nat/nft.ts';
import { planNat } from '../../src/nat/plan.ts';
import { ruleKey, type TableRule } from '../../src/nat/table-rule.ts';
import { cable, makeHost, missing, type Host } from './hosts.ts';

const reason = await missing(['ip', 'nft', 'sysctl']);
const options = { skip: reason ?? false, timeout: 60_000 };
const RELEASE = '6.1.0';
const FOREIGN = `table inet other {
\tchain balance {
\t\ttype nat hook prerouting priority dstnat - 1; policy accept;
\t\tip daddr 192.0.2.1 udp dport 8000-8010 dnat ip to SERVER
\t}
}
`;

interface World { readonly client: Host; readonly lb: Host; readonly server: Host; readonly table: NatTable }

async function twoArms(context: TestContext): Promise<World> {
  const [client, lb, server] = [await makeHost(context, 'client'), await makeHost(context, 'lb'), await makeHost(context, 'server')];
  await cable(client, 'eth0', lb, 'eth0');
  await cable(lb, 'eth1', server, 'eth0');
  await client.ip('address add 192.0.2.10/24 dev eth0');
  await client.ip('route add default via 192.0.2.1');
  await client.ip('address add 2001:db8:1::10/64 dev eth0');
  await client.ip('-6 route add default via 2001:db8:1::1');
  for (const [address, dev] of [['192.0.2.1/24', 'eth0'], ['198.51.100.1/24', 'eth1'], ['2001:db8:1::1/64', 'eth0'], ['2001:db8:2::1/64', 'eth1']]) await lb.ip(`address add ${address} dev ${dev}`);
  await server.ip('address add 198.51.100.20/24 dev eth0');
  await server.ip('address add 2001:db8:2::20/64 dev eth0');
  await server.ip('route add 192.0.2.1 via 198.51.100.1');
  await lb.sysctl('net.ipv4.ip_forward', '1');
  await lb.sysctl('net.ipv6.conf.all.forwarding', '1');
  return { client, lb, server, table: createNatTable({ run: lb.run, release: RELEASE }) };
}

async function oneArm(context: TestContext): Promise<World> {
  const [client, lb, server, bridge] = [await makeHost(context, 'client'), await makeHost(context, 'lb'), await makeHost(context, 'server'), await makeHost(context, 'bridge')];
  await bridge.ip('link add name br0 type bridge');
  await bridge.ip('link set br0 up');
  for (const [i, host] of [client, lb, server].entries()) {
    await cable(host, 'eth0', bridge, `p${i}`);
    await bridge.ip(`link set p${i} master br0`);
  }
  await client.ip('address add 192.0.2.10/24 dev eth0');
  await lb.ip('address add 192.0.2.1/24 dev eth0');
  await server.ip('address add 192.0.2.20/24 dev eth0');
  await lb.sysctl('net.ipv4.ip_forward', '1');
  await lb.sysctl('net.ipv4.conf.all.send_redirects', '0');
  return { client, lb, server, table: createNatTable({ run: lb.run, release: RELEASE }) };
}

function config(text: string): Config {
  const { config: parsed, issues } = parseConfig([{ file: 'weir.conf', document: 'any', text }]);
  return parsed ?? assert.fail(issues.map((i) => i.message).join('; '));
}

/** Applies the NAT rules of a configuration; returns the lines of the plan. */
async function apply(table: NatTable, text: string): Promise<readonly string[]> {
  const { natRules, directors } = config(text);
  const plan = planNat(compileRules({ rules: natRules, directors, balanced: 'table' }), await table.observe());
  await table.apply(plan);
  return plan.texts;
}

async function list(host: Host, ...what: string[]): Promise<string> {
  return (await host.run(['nft', 'list', ...what])).stdout;
}

test('two interfaces: the server sees the VIP as source, the client its answer from the VIP; without the rule nothing comes back', options, async (context) => {
  const { client, lb, server, table } = await twoArms(context);
  await lb.run(['nft', '-f', '-'], { input: FOREIGN.replace('SERVER', '198.51.100.20') });
  await server.serve('web1', '0.0.0.0', 8000);
  assert.equal(await client.ask('192.0.2.1', 8000, { timeoutMs: 300 }), null);
  const rules = 'nat page\n  in eth0 out eth1 protocol udp\n  before destination 192.0.2.1 dport 8000-8010\n  after source 192.0.2.1\n';
  assert.match((await apply(table, rules)).join(), /^add NAT rule page: postrouting .*iifname "eth0" oifname "eth1".*ct original ip daddr 192\.0\.2\.1 .*snat ip to 192\.0\.2\.1$/);
  const answer = await client.ask('192.0.2.1', 8000, { sourcePort: 40_000 });
  assert.deepEqual([answer?.from, answer?.text], ['192.0.2.1:8000', 'web1 saw 192.0.2.1:40000']);
  assert.equal((await table.read()).get('page')?.packets, 1, 'a flow is counted once');
  assert.deepEqual(await apply(table, rules), [], 'the second apply has nothing to do');
  assert.equal((await table.read()).get('page')?.packets, 1);
});

test('one interface: in and out are the same', options, async (context) => {
  const { client, lb, server, table } = await oneArm(context);
  await lb.run(['nft', '-f', '-'], { input: FOREIGN.replace('SERVER', '192.0.2.20') });
  await server.serve('web1', '0.0.0.0', 8000);
  assert.equal((await client.ask('192.0.2.1', 8000))?.from, '192.0.2.20:8000', 'the server answers past the balancer, from an address the client did not ask');
  await apply(table, 'nat page\n  in eth0 out eth0 protocol udp\n  before destination 192.0.2.1 dport 8000\n  after source 192.0.2.1\n');
  const answer = await client.ask('192.0.2.1', 8000, { sourcePort: 40_000 });
  assert.deepEqual([answer?.from, answer?.text], ['192.0.2.1:8000', 'web1 saw 192.0.2.1:40000']);
});

test('another interface, port or protocol is another rule: nothing is changed', options, async (context) => {
  const { client, lb, server, table } = await twoArms(context);
  await lb.run(['nft', '-f', '-'], { input: FOREIGN.replace('SERVER', '198.51.100.20') });
  await server.serve('web1', '0.0.0.0', 8000);
  for (const rule of [
    'in eth1 before destination 192.0.2.1', 'out eth0 before destination 192.0.2.1', 'protocol tcp before destination 192.0.2.1', 'before destination 192.0.2.1 dport 8001-8010',
    'before destination 198.51.100.20', 'before source 192.0.2.11', 'before sport 1-100',
  ]) {
    await apply(table, `nat x\n  ${rule}\n  after source 192.0.2.1\n`);
    assert.equal(await client.ask('192.0.2.1', 8000, { timeoutMs: 200 }), null, rule);
  }
});

test('masquerade takes the address of the way out, a pool its addresses, sport its ports; in IPv4 and IPv6', options, async (context) => {
  const { client, lb, server, table } = await twoArms(context);
  await server.serve('four', '198.51.100.20', 53);
  await server.serve('six', '2001:db8:2::20', 53);
  await apply(table, 'nat out\n  out eth1 after source masquerade\n');
  assert.equal((await client.ask('198.51.100.20', 53, { sourcePort: 40_000 }))?.text, 'four saw 198.51.100.1:40000');
  assert.equal((await client.ask('2001:db8:2::20', 53, { sourcePort: 40_000 }))?.text, 'six saw 2001:db8:2::1:40000');
  for (const last of [6, 7]) await lb.ip(`address add 198.51.100.${last}/24 dev eth1`);
  await apply(table, 'nat pool\n  protocol udp after source 198.51.100.6-198.51.100.7 sport 50000-50001\nnat six\n  protocol udp after source 2001:db8:2::1 sport 50000\n');
  assert.match((await client.ask('198.51.100.20', 53, { sourcePort: 40_001 }))?.text ?? '', /^four saw 198\.51\.100\.[67]:5000[01]$/);
  assert.equal((await client.ask('2001:db8:2::20', 53, { sourcePort: 40_001 }))?.text, 'six saw 2001:db8:2::1:50000');
});

test('what the balancer itself sends is left alone, also by a rule without any condition', options, async (context) => {
  const { lb, server, table } = await twoArms(context);
  await lb.ip('address add 198.51.100.9/24 dev eth1');
  await server.serve('web1', '0.0.0.0', 53);
  await apply(table, 'nat all\n  after source 198.51.100.9\n');
  assert.equal((await lb.ask('198.51.100.20', 53, { sourcePort: 40_000 }))?.text, 'web1 saw 198.51.100.1:40000');
});

test('destination NAT of what is not balanced; a director keeps its own traffic', options, async (context) => {
  const { client, lb, server, table } = await twoArms(context);
  await server.serve('server', '0.0.0.0', 54);
  await lb.serve('director', '192.0.2.1', 53);
  const rules = `director d 192.0.2.1:53
  server s 198.51.100.20:53
nat in
  in eth0 protocol udp before destination 192.0.2.0/24 after destination 198.51.100.20 dport 54
nat back
  out eth1 after source masquerade
`;
  await apply(table, rules);
  assert.equal((await client.ask('192.0.2.1', 60, { sourcePort: 40_000 }))?.text, 'server saw 198.51.100.1:40000');
  assert.match((await client.ask('192.0.2.1', 53))?.text ?? '', /^director saw 192\.0\.2\.10:/);
  assert.deepEqual([...(await table.read())].map(([name, { packets }]) => [name, packets]), [['in', 1], ['back', 1]]);
});

test('a port alone is changed and the address kept', options, async (context) => {
  const { client, server, lb, table } = await twoArms(context);
  await server.ip('route add 192.0.2.0/24 via 198.51.100.1');
  await server.serve('server', '0.0.0.0', 54);
  await lb.sysctl('net.ipv4.conf.all.rp_filter', '0');
  await apply(table, 'nat port\n  protocol udp before dport 53 after dport 54\n');
  const answer = await client.ask('198.51.100.20', 53, { sourcePort: 40_000 });
  assert.deepEqual([answer?.from, answer?.text], ['198.51.100.20:53', 'server saw 192.0.2.10:40000']);
});

test('counters of rules that an apply does not touch go on counting; other tables are not touched; removal leaves nothing', options, async (context) => {
  const { client, lb, server, table } = await twoArms(context);
  await lb.run(['nft', '-f', '-'], { input: FOREIGN.replace('SERVER', '198.51.100.20') });
  await lb.run(['nft', 'add', 'table', 'ip', 'weir']);
  const others = (await list(lb, 'table', 'inet', 'other')) + (await list(lb, 'table', 'ip', 'weir'));
  await server.serve('web1', '0.0.0.0', 8000);
  const first = 'nat one\n  protocol udp before destination 192.0.2.1 after source 192.0.2.1\n';
  await apply(table, `${first}nat two\n  protocol tcp after source masquerade\n`);
  await client.ask('192.0.2.1', 8000);
  assert.match((await apply(table, `${first}nat three\n  protocol udp after source masquerade\n`)).join('\n'), /^remove NAT rule two: .*\nadd NAT rule three: /);
  assert.deepEqual([...(await table.read())].map(([name, { packets }]) => [name, packets]), [['one', 1], ['three', 0]]);
  assert.match((await apply(table, `nat three\n  protocol udp after source masquerade\n${first}`)).join('\n'), /^order of the NAT rules: three, one$/);
  assert.deepEqual([...(await table.read())].map(([name, { packets }]) => [name, packets]), [['three', 0], ['one', 1]]);
  assert.match((await apply(table, `nat three\n  protocol udp after source masquerade\nnat one\n  protocol udp after source 192.0.2.1\n`)).join('\n'), /^NAT rule one: .* -> /);
  assert.equal((await table.read()).get('one')?.packets, 0, 'another rule under the name starts from zero');
  await apply(table, '');
  assert.equal((await table.observe()).present, false);
  await table.remove();
  assert.equal((await list(lb, 'table', 'inet', 'other')) + (await list(lb, 'table', 'ip', 'weir')), others);
  assert.doesNotMatch(await list(lb, 'ruleset'), /inet weir/);
});

test('what somebody put into our table is named and replaced; a refused transaction changes nothing', options, async (context) => {
  const { lb, table } = await twoArms(context);
  const rules = 'nat one\n  protocol udp before destination 192.0.2.1 after source 192.0.2.1\n';
  await apply(table, rules);
  for (const change of ['add rule inet weir postrouting udp dport 5 accept', 'add chain inet weir mine', 'add counter inet weir c', 'insert rule inet weir prerouting counter accept comment "weir nat one"', 'flush chain inet weir postrouting', 'add set inet weir s { type ipv4_addr; }']) {
    await lb.run(['nft', ...change.split(' ')]);
    assert.notDeepEqual(await apply(table, rules), [], change);
    assert.deepEqual(await apply(table, rules), [], change);
  }
  const before = await list(lb, 'table', 'inet', 'weir');
  await assert.rejects(table.apply({ texts: [], rules: [], script: 'flush chain inet weir postrouting\nadd rule inet weir nowhere accept\n' }), /nft -f -: exit code 1: .*nowhere/s);
  assert.equal(await list(lb, 'table', 'inet', 'weir'), before);
});

test('every rule that can be written is read back as it was written', options, async (context) => {
  const lb = await makeHost(context, 'lb');
  const table = createNatTable({ run: lb.run, release: RELEASE });
  const ports = fc.tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 0, max: 3 })).map(([first, more]) => ({ first, last: Math.min(65_535, first + more) }));
  const address = (family: 4 | 6) => fc.uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 }).map((bytes) => ipFromBytes(bytes));
  const network = (family: 4 | 6) => fc.tuple(address(family), fc.integer({ min: 1, max: family === 4 ? 32 : 128 })).map(([ip, prefix]) => ({ ip: networkOf(ip, prefix), prefix }));
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
  const at = { file: '', line: 1, col: 1, endCol: 1 };
  const rule = fc.constantFrom<4 | 6>(4, 6).chain((family) => fc.record({
    name: fc.constantFrom('a', 'B.2', 'c_d-e', '-', '9'),
    inIface: maybe(fc.constantFrom('eth0', 'eth0.100', 'br-lan', 'wg0@x')), outIface: fc.constant(null), protocol: fc.constantFrom<'udp' | 'tcp' | 'any'>('udp', 'tcp', 'any'),
    before: fc.record({ source: maybe(network(family)), sport: maybe(ports), destination: maybe(network(family)), dport: maybe(ports) }),
    after: fc.record({
      source: maybe(fc.oneof(fc.constant('masquerade' as const), fc.tuple(address(family), address(family)).map(([a, b]) => (a.text < b.text && family === 4 && Number(a.text.split('.')[0]) < Number(b.text.split('.')[0]) ? { first: a, last: b } : { first: a, last: a })))),
      sport: maybe(ports), destination: maybe(address(family)), dport: maybe(fc.integer({ min: 1, max: 65_535 })),
    }),
    at: fc.constant(at),
  }));
  const directors = config('director a 0.0.0.0:53\n  server s 198.51.100.20\ndirector b 192.0.2.1:1-65535 TCP\n  server s 198.51.100.20\ndirector c [2001:db8::1]\n  server s 198.51.100.20\n').directors;
  const sets = fc.sample(fc.uniqueArray(rule, { selector: ({ name }) => name, minLength: 3, maxLength: 5 }), { seed: 7, numRuns: 40 });
  for (const rules of sets) {
    const compiled = compileRules({ rules, directors, balanced: 'table' });
    await table.apply(planNat(compiled, await table.observe()));
    const { rules: seen, foreign } = await table.observe();
    assert.deepEqual(foreign, []);
    assert.deepEqual(seen.map(ruleKey), compiled.map(ruleKey));
    assert.deepEqual(planNat(seen as readonly TableRule[], await table.observe()).texts, []);
  }
});

test('the probe tries it and leaves nothing; an old kernel and a missing program are refused with a cure', options, async (context) => {
  const lb = await makeHost(context, 'lb');
  assert.deepEqual(await createNatTable({ run: lb.run, release: RELEASE }).probe(), []);
  assert.equal(await list(lb, 'ruleset'), '');
  assert.match((await createNatTable({ run: lb.run, release: '4.18.0-553.el8' }).probe())[0]?.cure ?? '', /5\.7/);
  const user = await createNatTable({ run: (argv, o) => lb.run(['setpriv', '--reuid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all', ...argv], o), release: RELEASE }).probe();
  assert.match(user[0]?.cure ?? '', /root/);
  const absent = await createNatTable({ run: (argv, o) => lb.run(['env', 'PATH=/nowhere', ...argv], o), release: RELEASE }).probe();
  assert.equal(absent.length, 1);
});
